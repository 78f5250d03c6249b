// Any bytes: VideoFile gives whole frames within its limits, or a sentence.
#include <algorithm>
#include <cstdlib>
#include <numeric>

#include "media/video_file.h"

namespace {

constexpr azimuth::media::VideoFileOptions kLimits = {
    .max_pixels = 1 << 16, .max_frames = 64, .max_kept_pixels = 1 << 20, .max_coded_pixels = 1 << 22};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace azimuth::media;
  auto video = VideoFile::from_memory({data, data + size}, "clip", kLimits);
  if (!video.ok()) {
    if (video.status().message().empty()) std::abort();
    return 0;
  }
  if (video->metadata().total_num_frames <= 0) std::abort();
  std::vector<int64_t> first(static_cast<size_t>(std::min<int64_t>(video->metadata().total_num_frames, 16)));
  std::iota(first.begin(), first.end(), 0);
  const auto frames = video->frames(first);
  if (!frames.ok()) {
    if (frames.status().message().empty()) std::abort();
    return 0;
  }
  if (frames->empty() || frames->size() > first.size()) std::abort();
  for (const Image& frame : *frames) {
    if (frame.width <= 0 || frame.height <= 0 || frame.width * frame.height > kLimits.max_pixels) std::abort();
    if (frame.rgb.size() != static_cast<size_t>(3 * frame.width * frame.height)) std::abort();
  }
  return 0;
}
