#include "vision/arrangement/arrangement.h"

namespace azimuth::vision {

Result<std::vector<FeatureBlock>> feature_blocks(const Arranged& media) {
  switch (media.kind()) {
    case FeatureArrangement::tiles_in_order: return blocks_in_order(media);
    case FeatureArrangement::unpadded_rows: return blocks_unpadded(media);
    case FeatureArrangement::unpadded_or_whole:
      return media.pixels.tiles.size() == 1 ? blocks_whole(media) : blocks_unpadded(media);
    case FeatureArrangement::pooled_frames: return blocks_pooled(media);
    case FeatureArrangement::cross_attended: return block_outside(media);
    case FeatureArrangement::frames_in_order: return blocks_of_frames(media);
  }
  return internal_error("no such arrangement of features");
}

Result<MediaFeatures> arrange(const VisionSpec& spec, const TowerWeights& weights,
                              const preprocess::MediaPixels& pixels, bool video, std::vector<MediaFeatures> tiles) {
  switch (video ? spec.video_arrangement : spec.arrangement) {
    case FeatureArrangement::tiles_in_order: return arrange_in_order(std::move(tiles));
    case FeatureArrangement::unpadded_rows: return arrange_unpadded(spec, weights.newline, pixels, tiles);
    case FeatureArrangement::unpadded_or_whole:
      return tiles.size() == 1 ? arrange_whole(weights.newline, tiles)
                               : arrange_unpadded(spec, weights.newline, pixels, tiles);
    case FeatureArrangement::pooled_frames: return arrange_pooled(weights.newline, tiles);
    case FeatureArrangement::frames_in_order: return arrange_frames(std::move(tiles));
    case FeatureArrangement::cross_attended: break;  // its tower makes the whole canvas at once
  }
  return internal_error("no such arrangement of features");
}

}  // namespace azimuth::vision
