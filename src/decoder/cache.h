// The decoder's memory of one sequence.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "azimuth/status.h"
#include "decoder/recurrent_state.h"
#include "kernels/kv_blocks.h"
#include "spec/text_spec.h"

namespace azimuth::decoder {

// Order of a token in the cache: what causality and eviction see. Never a position: rotation sees those.
using CacheIndex = int64_t;

// Raw keys are turned whenever they are read, so that the ids of cached tokens may change. What a token's hidden states
// have seen by then stays as it was.
enum class KeyStorage : uint8_t { rotated, raw };

// Of cross-attention: keys and values of all features outside of the sequence, which stay while it has tokens.
struct LayerCache {
  kernels::KvBlocks keys;    // [kv_heads, head_dim] per token from `first` on, rotated or raw; plain rows of a term
  kernels::KvBlocks values;  // [kv_heads, value_dim] per token from `first` on; the same
  kernels::KvBlocks state;   // what a score term keeps per token, from token 0 on; empty without a term
  CacheIndex first = 0;      // 0 unless a term with segments has left earlier keys and values behind

  std::shared_ptr<const RecurrentState> recurrent;  // of linear attention, in place of keys and values; or nullptr

  CacheIndex length() const { return recurrent ? recurrent->length : first + keys.length(); }
  // Of plain rows only.
  const float* key(int kv_head, CacheIndex index) const { return keys.row(kv_head, index - first); }
  const float* value(int kv_head, CacheIndex index) const { return values.row(kv_head, index - first); }
  // Forgets the tokens from `length` on, which is at most length(), and of linear attention all of it or none.
  void truncate(const LayerSpec& spec, CacheIndex length);
};

// Copyable: a copy is a snapshot that shares full blocks with the original (forking a prefix costs one block a layer).
class CacheState {
 public:
  explicit CacheState(const TextSpec& spec, KeyStorage keys = KeyStorage::rotated,
                      kernels::CacheType type = kernels::CacheType::f32);

  KeyStorage key_storage() const { return key_storage_; }

  CacheIndex length() const;
  size_t bytes() const;
  int layers() const { return static_cast<int>(layers_.size()); }
  const LayerSpec& layer_spec(int index) const { return specs_[static_cast<size_t>(index)]; }
  LayerCache& layer(int index) { return layers_[static_cast<size_t>(index)]; }
  const LayerCache& layer(int index) const { return layers_[static_cast<size_t>(index)]; }
  // Whether the cache can forget the tokens from `length` on: linear attention keeps no single tokens, so that it
  // forgets all or nothing. A copy taken at `length` is the way back.
  bool can_truncate(CacheIndex length) const;
  // Forgets the tokens from `length` on. out_of_range if the cache holds fewer, unsupported unless can_truncate().
  Status truncate(CacheIndex length);

  // The states of linear-attention layers, one per layer (nullptr elsewhere), to go back to after a failure.
  std::vector<std::shared_ptr<const RecurrentState>> recurrent_states() const;
  void restore(const std::vector<std::shared_ptr<const RecurrentState>>& states);

 private:
  KeyStorage key_storage_;
  std::vector<LayerSpec> specs_;
  std::vector<LayerCache> layers_;
};

}  // namespace azimuth::decoder
