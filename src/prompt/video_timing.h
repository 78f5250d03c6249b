// When the frames of a video were taken, as families write it into prompts and positions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "azimuth/status.h"
#include "media/video_frames.h"

namespace azimuth::prompt {

// Frames per second of a clip whose metadata does not say.
inline constexpr double kUnknownFps = 24.0;

struct VideoTiming {
  std::vector<double> group_seconds;  // [groups]: mean of the first and the last frame of each temporal patch
  double start_seconds = 0.0;         // of the first frame
  double step_seconds = 0.0;          // between groups: temporal_patch_size / sampled frames per second
};

// `metadata.frames_indices` are the frames at hand; a last incomplete patch is filled with its last frame.
// Source: transformers, Qwen3VLProcessor._calculate_timestamps and VideoMetadata.sampled_fps.
// Errors: no frames, a speed that is not above zero, fewer groups than `groups`.
Result<VideoTiming> video_timing(const media::VideoMetadata& metadata, int64_t temporal_patch_size, int64_t groups);

// "1.5": one decimal, half to even on the exact binary value, as Python's format does.
std::string one_decimal(double seconds);

}  // namespace azimuth::prompt
