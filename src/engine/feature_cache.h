// Features of pictures and videos that went through the tower, by the content of their pixels.
#pragma once

#include <memory>
#include <mutex>

#include "base/recent_store.h"
#include "spec/media_features.h"

namespace azimuth::engine {

using SharedMediaFeatures = std::shared_ptr<const MediaFeatures>;

// One of each engine, for all of its sessions. Safe to share by threads.
class FeatureCache {
 public:
  explicit FeatureCache(size_t max_bytes) : store_(max_bytes) {}

  // nullptr where there are none.
  SharedMediaFeatures find(const ContentHash& key);
  // Features that alone are larger than the bound are not kept.
  void keep(const ContentHash& key, SharedMediaFeatures features);
  void clear();
  size_t bytes() const;

 private:
  mutable std::mutex mutex_;
  RecentStore<SharedMediaFeatures> store_;
};

}  // namespace azimuth::engine
