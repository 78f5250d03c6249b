// Blocks of a cache, shared with it: what can be kept of a sequence, and put in front of another one.
#pragma once

#include <memory>
#include <vector>

#include "decoder/cache.h"

namespace azimuth::decoder {

// Tokens [begin, end) of a sequence; `begin` is a multiple of kernels::kAttentionBlock. What a cache holds of features
// outside of the sequence belongs to no tokens and is a part of its own, of none.
struct CachePart {
  struct Layer {
    kernels::KvBlocks keys;
    kernels::KvBlocks values;
    kernels::KvBlocks state;
  };
  CacheIndex tokens = 0;
  std::vector<Layer> layers;  // empty where a layer keeps nothing by token
  // Of linear attention, behind the part's last token; empty where the cache was not looked at there.
  std::vector<std::shared_ptr<const RecurrentState>> recurrent;

  // Memory that the part keeps alive.
  size_t bytes() const;
};

// True where the cache can be cut into parts: not where a term with segments has left keys behind, which no other
// sequence could find again.
bool divides(const CacheState& cache);
// True where a cache cannot go on from its parts alone, but needs recurrent states behind the last one.
bool has_recurrent_states(const CacheState& cache);

// `end` is at most cache.length(). With recurrent states where it is cache.length().
CachePart share_part(const CacheState& cache, CacheIndex begin, CacheIndex end);
// Keys and values of features outside of the sequence; tokens = 0. Its layers are empty without such features.
CachePart share_outside(const CacheState& cache);
// Behind the tokens that `cache` holds, which are whole blocks.
void append_part(const CachePart& part, CacheState& cache);

}  // namespace azimuth::decoder
