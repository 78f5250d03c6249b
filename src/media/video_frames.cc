#include "media/video_frames.h"

#include <numeric>

namespace azimuth::media {

VideoFrames whole_clip(std::vector<Image> frames, std::optional<double> fps) {
  VideoFrames video;
  video.metadata.total_num_frames = static_cast<int64_t>(frames.size());
  video.metadata.fps = fps;
  video.metadata.frames_indices.resize(frames.size());
  std::iota(video.metadata.frames_indices.begin(), video.metadata.frames_indices.end(), 0);
  if (!frames.empty()) {
    video.metadata.width = frames.front().width;
    video.metadata.height = frames.front().height;
  }
  if (fps && *fps > 0) video.metadata.duration = static_cast<double>(frames.size()) / *fps;
  video.frames = std::move(frames);
  return video;
}

}  // namespace azimuth::media
