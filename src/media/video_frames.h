// A video as its frames: pictures of one size, with what is known about the clip that they came from.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "media/image.h"

namespace azimuth::media {

// The same fields as transformers' VideoMetadata. They describe the clip, not the list of frames at hand.
struct VideoMetadata {
  int64_t total_num_frames = 0;         // of the clip
  std::optional<double> fps;            // of the clip, frames per second
  std::vector<int64_t> frames_indices;  // which frames of the clip the frames at hand are
  std::optional<int64_t> width;         // pixels
  std::optional<int64_t> height;
  std::optional<double> duration;  // seconds
};

struct VideoFrames {
  std::vector<Image> frames;
  VideoMetadata metadata;
  bool sampled = false;  // the frames were chosen already (frames_indices says which): none is dropped any more
  bool resized = false;  // the frames have the size that the processor wants already; metadata says which they had
};

// All frames of a clip of `fps` frames per second (unknown: nullopt), none chosen yet.
VideoFrames whole_clip(std::vector<Image> frames, std::optional<double> fps);

}  // namespace azimuth::media
