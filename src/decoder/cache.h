// The decoder's memory of one sequence.
#pragma once

#include <cstdint>
#include <vector>

#include "azimuth/status.h"
#include "kernels/kv_blocks.h"
#include "spec/text_spec.h"

namespace azimuth::decoder {

// Order of a token in the cache: what causality and eviction see. Never a position: rotation sees those.
using CacheIndex = int64_t;

struct LayerCache {
  kernels::KvBlocks keys;    // [kv_heads, head_dim] per token, rotated
  kernels::KvBlocks values;  // [kv_heads, value_dim] per token
};

// Copyable: a copy is a snapshot that shares full blocks with the original (forking a prefix costs one block a layer).
class CacheState {
 public:
  explicit CacheState(const TextSpec& spec);

  CacheIndex length() const { return layers_.empty() ? 0 : layers_[0].keys.length(); }
  size_t bytes() const;
  LayerCache& layer(int index) { return layers_[static_cast<size_t>(index)]; }
  const LayerCache& layer(int index) const { return layers_[static_cast<size_t>(index)]; }
  // Forgets the tokens from `length` on. out_of_range if the cache holds fewer.
  Status truncate(CacheIndex length);

 private:
  std::vector<LayerCache> layers_;
};

}  // namespace azimuth::decoder
