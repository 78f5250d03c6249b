#include "decoder/cache.h"

#include <algorithm>

namespace azimuth::decoder {

void LayerCache::truncate(const LayerSpec& spec, CacheIndex length) {
  if (recurrent) {
    if (length == 0) recurrent = std::make_shared<RecurrentState>(RecurrentState::empty(*spec.linear));
    return;
  }
  if (spec.mixer == MixerKind::cross_attention && length > 0) return;
  first = std::min(first, length);
  // A layer that reads another one's keys has none.
  keys.truncate(std::min(length - first, keys.length()));
  values.truncate(std::min(length - first, values.length()));
  state.truncate(std::min(length, state.length()));
}

CacheState::CacheState(const TextSpec& spec, KeyStorage keys, kernels::CacheType type)
    : key_storage_(keys), specs_(spec.layers) {
  for (const LayerSpec& layer : spec.layers) {
    LayerCache cache;
    if (layer.mixer == MixerKind::linear_attention) {
      cache.recurrent = std::make_shared<RecurrentState>(RecurrentState::empty(*layer.linear));
    } else {
      cache.keys = kernels::KvBlocks(kernels::KvRole::keys, type, layer.kv_heads, layer.head_dim);
      cache.values = kernels::KvBlocks(kernels::KvRole::values, type, layer.kv_heads, layer.value_dim);
    }
    layers_.push_back(std::move(cache));
  }
}

CacheIndex CacheState::length() const {
  for (size_t i = 0; i < layers_.size(); ++i) {
    if (specs_[i].mixer != MixerKind::cross_attention) return layers_[i].length();
  }
  return 0;
}

size_t CacheState::bytes() const {
  size_t total = 0;
  for (const LayerCache& layer : layers_) {
    total += layer.keys.bytes() + layer.values.bytes() + layer.state.bytes();
    if (layer.recurrent) total += (layer.recurrent->inputs.size() + layer.recurrent->memory.size()) * sizeof(float);
  }
  return total;
}

Status CacheState::truncate(CacheIndex length) {
  if (length < 0 || length > this->length()) {
    return out_of_range("cache truncation expected a length in [0, " + std::to_string(this->length()) + "], found " +
                        std::to_string(length));
  }
  if (!can_truncate(length)) {
    return unsupported("a cache with linear attention expected to keep all of its " + std::to_string(this->length()) +
                       " tokens or none, found a wish for " + std::to_string(length) +
                       "; take a copy of the cache at that length, or prefill the sequence again");
  }
  for (size_t i = 0; i < layers_.size(); ++i) layers_[i].truncate(specs_[i], length);
  return ok_status();
}

bool CacheState::can_truncate(CacheIndex length) const {
  return length == 0 || std::ranges::all_of(layers_, [length](const LayerCache& layer) {
           return !layer.recurrent || layer.recurrent->length == length;
         });
}

std::vector<std::shared_ptr<const RecurrentState>> CacheState::recurrent_states() const {
  std::vector<std::shared_ptr<const RecurrentState>> states;
  for (const LayerCache& layer : layers_) states.push_back(layer.recurrent);
  return states;
}

void CacheState::restore(const std::vector<std::shared_ptr<const RecurrentState>>& states) {
  for (size_t i = 0; i < layers_.size(); ++i) layers_[i].recurrent = states[i];
}

}  // namespace azimuth::decoder
