#include "prompt/video_timing.h"

#include <cmath>
#include <cstdio>

namespace azimuth::prompt {
namespace {

// Frames that were kept per second of the clip.
double sampled_fps(const media::VideoMetadata& metadata, double fps) {
  if (metadata.total_num_frames <= 0) return fps;
  return static_cast<double>(metadata.frames_indices.size()) / static_cast<double>(metadata.total_num_frames) * fps;
}

}  // namespace

Result<VideoTiming> video_timing(const media::VideoMetadata& metadata, int64_t temporal_patch_size, int64_t groups) {
  const double fps = metadata.fps.value_or(kUnknownFps);
  if (!(fps > 0.0) || !std::isfinite(fps)) {
    return invalid_argument("expected a video of more than 0 frames per second, got " + std::to_string(fps) +
                            "; give its fps");
  }
  if (metadata.frames_indices.empty() || temporal_patch_size <= 0) {
    return invalid_argument("expected a video of at least one frame, got none");
  }
  const auto& frames = metadata.frames_indices;
  const auto patch = static_cast<size_t>(temporal_patch_size);
  VideoTiming timing;
  timing.start_seconds = static_cast<double>(frames.front()) / fps;
  timing.step_seconds = static_cast<double>(temporal_patch_size) / sampled_fps(metadata, fps);
  for (size_t first = 0; first < frames.size(); first += patch) {
    const size_t last = std::min(first + patch, frames.size()) - 1;
    const double begin = static_cast<double>(frames[first]) / fps;
    const double end = static_cast<double>(frames[last]) / fps;
    timing.group_seconds.push_back((begin + end) / 2.0);
  }
  if (static_cast<int64_t>(timing.group_seconds.size()) < groups) {
    return invalid_argument("expected frames_indices for " + std::to_string(groups) + " frame groups of a video, got " +
                            std::to_string(frames.size()) + " frames, which make " +
                            std::to_string(timing.group_seconds.size()) + "; list every frame once");
  }
  return timing;
}

std::string one_decimal(double seconds) {
  char text[512];  // the longest f64 has 309 digits in front of the point
  std::snprintf(text, sizeof text, "%.1f", seconds);
  return text;
}

}  // namespace azimuth::prompt
