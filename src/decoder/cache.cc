#include "decoder/cache.h"

#include <algorithm>

namespace azimuth::decoder {

void LayerCache::truncate(CacheIndex length) {
  first = std::min(first, length);
  keys.truncate(length - first);
  values.truncate(length - first);
  state.truncate(std::min(length, state.length()));
}

CacheState::CacheState(const TextSpec& spec, KeyStorage keys) : key_storage_(keys) {
  for (const LayerSpec& layer : spec.layers) {
    layers_.push_back({.keys = kernels::KvBlocks(layer.kv_heads, layer.head_dim),
                       .values = kernels::KvBlocks(layer.kv_heads, layer.value_dim),
                       .state = {}});
  }
}

size_t CacheState::bytes() const {
  size_t total = 0;
  for (const LayerCache& layer : layers_) total += layer.keys.bytes() + layer.values.bytes() + layer.state.bytes();
  return total;
}

Status CacheState::truncate(CacheIndex length) {
  if (length < 0 || length > this->length()) {
    return out_of_range("cache truncation expected a length in [0, " + std::to_string(this->length()) + "], found " +
                        std::to_string(length));
  }
  for (LayerCache& layer : layers_) layer.truncate(length);
  return ok_status();
}

}  // namespace azimuth::decoder
