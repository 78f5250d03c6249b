// The features of a request's media: from the tower, or from wherever they were computed before.
#pragma once

#include <vector>

#include "engine/feature_cache.h"
#include "engine/media_key.h"
#include "engine/prepare.h"

namespace azimuth::engine {

// One entry per picture and per video; never written.
struct SharedFeatures {
  std::vector<SharedMediaFeatures> images;
  std::vector<SharedMediaFeatures> videos;
};

// Where features may be found: those of the turn before, which the session holds, then the engine's.
struct KnownFeatures {
  const MediaKeys* keys = nullptr;  // of `features`; or nullptr
  const SharedFeatures* features = nullptr;
  FeatureCache* cache = nullptr;  // or nullptr
};

// What became of the media of one request.
struct EncodedMedia {
  SharedFeatures features;
  int64_t new_patches = 0;     // that went through the tower
  int64_t cached_patches = 0;  // whose features were there
  int64_t cached_images = 0;
  int64_t cached_videos = 0;
};

// `keys`: of the sample's media, or empty where hooks may write features, which then are computed and leave nothing
// behind. With a cache, the same picture twice in a request is encoded once.
Result<EncodedMedia> encode_shared(const Engine::Impl& model, const PreparedSample& sample, const MediaKeys& keys,
                                   const KnownFeatures& known, const RunContext& context);

}  // namespace azimuth::engine
