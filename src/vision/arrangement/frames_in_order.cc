// Frame after frame of a video, each an array of its own (InternVL).
#include "vision/arrangement/arrangement.h"

namespace azimuth::vision {

std::vector<FeatureBlock> blocks_of_frames(const Arranged& media) {
  const Grid video = media.spec.projector.merged(media.pixels.tiles[0].grid);
  FeatureBlock frame;
  frame.grid = {1, video.h, video.w};
  frame.features = frame.grid.cells();
  return std::vector<FeatureBlock>(static_cast<size_t>(video.t), frame);
}

MediaFeatures arrange_frames(std::vector<MediaFeatures> tiles) {
  MediaFeatures video = std::move(tiles[0]);
  video.arrays.assign(static_cast<size_t>(video.grid.t), video.grid.h * video.grid.w);
  return video;
}

}  // namespace azimuth::vision
