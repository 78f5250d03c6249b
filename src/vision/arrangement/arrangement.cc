#include "vision/arrangement/arrangement.h"

namespace azimuth::vision {

Result<std::vector<FeatureBlock>> feature_blocks(const Arranged& media) {
  switch (media.kind()) {
    case FeatureArrangement::tiles_in_order: return blocks_in_order(media);
    case FeatureArrangement::cross_attended: return block_outside(media);
    default: return internal_error("no such arrangement of features");
  }
}

Result<MediaFeatures> arrange(const VisionSpec& spec, const TowerWeights& /*weights*/,
                              const preprocess::MediaPixels& /*pixels*/, bool video, std::vector<MediaFeatures> tiles) {
  switch (video ? spec.video_arrangement : spec.arrangement) {
    case FeatureArrangement::tiles_in_order: return arrange_in_order(std::move(tiles));
    default: return internal_error("no such arrangement of features");
  }
}

}  // namespace azimuth::vision
