// One opened clip, behind media/video_file.h; src/media/ffmpeg implements it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "azimuth/status.h"
#include "media/image.h"
#include "media/video_bytes.h"
#include "media/video_file.h"

namespace azimuth::media {

// What a container says of its first video stream.
struct ClipFacts {
  int64_t total_num_frames = 0;  // 0: it does not say
  int64_t rate_numerator = 0;    // frames per second; 0: unknown
  int64_t rate_denominator = 1;
  int64_t width = 0;
  int64_t height = 0;
};

class VideoDecoder {
 public:
  virtual ~VideoDecoder() = default;
  virtual const ClipFacts& facts() const = 0;
  // Decodes all frames; their number.
  virtual Result<int64_t> count_frames() = 0;
  // The frames at `indices`, strictly ascending; fewer where the clip ends before.
  virtual Result<std::vector<Image>> frames(std::span<const int64_t> indices, const FrameStep& step) = 0;
};

Result<std::unique_ptr<VideoDecoder>> open_decoder(VideoBytes bytes, const VideoFileOptions& options);

}  // namespace azimuth::media
