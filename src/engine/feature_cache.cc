#include "engine/feature_cache.h"

namespace azimuth::engine {
namespace {

size_t bytes_of(const MediaFeatures& features) {
  int64_t elements = features.features.elements();
  for (const Tensor& level : features.deepstack) elements += level.elements();
  return static_cast<size_t>(elements) * sizeof(float) + features.arrays.size() * sizeof(int64_t);
}

}  // namespace

SharedMediaFeatures FeatureCache::find(const ContentHash& key) {
  const std::scoped_lock lock(mutex_);
  const SharedMediaFeatures* const found = store_.find(key);
  if (found == nullptr) return nullptr;
  store_.use(key);
  return *found;
}

void FeatureCache::keep(const ContentHash& key, SharedMediaFeatures features) {
  const size_t bytes = bytes_of(*features);
  const std::scoped_lock lock(mutex_);
  if (bytes > store_.max_bytes()) return;  // it would push out everything else, and itself
  store_.put(key, std::move(features), bytes);
  store_.trim();
}

void FeatureCache::clear() {
  const std::scoped_lock lock(mutex_);
  store_.clear();
}

size_t FeatureCache::bytes() const {
  const std::scoped_lock lock(mutex_);
  return store_.bytes();
}

}  // namespace azimuth::engine
