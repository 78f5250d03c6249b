// What stands for the content of pictures and videos.
#pragma once

#include <vector>

#include "base/content_hash.h"
#include "preprocess/preprocess.h"

namespace azimuth::engine {

struct PreparedSample;

// Of everything that the tower reads of one picture or video, so that size, scheme, resize, normalisation, tiles, kind
// and compat are in it, however they came about, and of what the decoder will get for it; or of features that came in
// place of pixels. The same pixels have another
// key at another level of kernels, whose features may differ in their last bits.
ContentHash media_key(const preprocess::MediaPixels& pixels, bool video, ThreadPool& pool);

struct MediaKeys {
  std::vector<ContentHash> images;
  std::vector<ContentHash> videos;
};
MediaKeys media_keys(const PreparedSample& sample, ThreadPool& pool);

}  // namespace azimuth::engine
