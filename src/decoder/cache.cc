#include "decoder/cache.h"

namespace azimuth::decoder {

CacheState::CacheState(const TextSpec& spec) {
  for (const LayerSpec& layer : spec.layers) {
    layers_.push_back(
        {kernels::KvBlocks(layer.kv_heads, layer.head_dim), kernels::KvBlocks(layer.kv_heads, layer.value_dim)});
  }
}

size_t CacheState::bytes() const {
  size_t total = 0;
  for (const LayerCache& layer : layers_) total += layer.keys.bytes() + layer.values.bytes();
  return total;
}

Status CacheState::truncate(CacheIndex length) {
  if (length < 0 || length > this->length()) {
    return out_of_range("cache truncation expected a length in [0, " + std::to_string(this->length()) + "], found " +
                        std::to_string(length));
  }
  for (LayerCache& layer : layers_) {
    layer.keys.truncate(length);
    layer.values.truncate(length);
  }
  return ok_status();
}

}  // namespace azimuth::decoder
