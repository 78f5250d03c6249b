// How the projected tiles of an image, or frames of a video, become the rows that the decoder gets: one file per
// FeatureArrangement.
#pragma once

#include <vector>

#include "preprocess/preprocess.h"
#include "spec/media_features.h"
#include "vision/tower.h"

namespace azimuth::vision {

// Which image or video of which sample is meant.
struct Arranged {
  const VisionSpec& spec;
  const preprocess::MediaPixels& pixels;
  bool video = false;
  int images_in_sample = 1;

  FeatureArrangement kind() const { return video ? spec.video_arrangement : spec.arrangement; }
};

// The blocks of features that the decoder will get, known before the tower runs.
Result<std::vector<FeatureBlock>> feature_blocks(const Arranged& media);

// The rows of those blocks (pixels.blocks), out of what Tower::encode made of each tile.
Result<MediaFeatures> arrange(const VisionSpec& spec, const TowerWeights& weights,
                              const preprocess::MediaPixels& pixels, bool video, std::vector<MediaFeatures> tiles);

// FeatureArrangement::cross_attended: what encode_canvas makes.
std::vector<FeatureBlock> block_outside(const Arranged& media);

// FeatureArrangement::tiles_in_order.
std::vector<FeatureBlock> blocks_in_order(const Arranged& media);
MediaFeatures arrange_in_order(std::vector<MediaFeatures> tiles);

// FeatureArrangement::unpadded_rows, and unpadded_or_whole for a picture that is divided.
std::vector<FeatureBlock> blocks_unpadded(const Arranged& media);
MediaFeatures arrange_unpadded(const VisionSpec& spec, const Tensor& newline, const preprocess::MediaPixels& pixels,
                               const std::vector<MediaFeatures>& tiles);

// FeatureArrangement::unpadded_or_whole, for a picture that is not divided.
std::vector<FeatureBlock> blocks_whole(const Arranged& media);
MediaFeatures arrange_whole(const Tensor& newline, const std::vector<MediaFeatures>& tiles);

// FeatureArrangement::pooled_frames.
std::vector<FeatureBlock> blocks_pooled(const Arranged& media);
MediaFeatures arrange_pooled(const Tensor& newline, const std::vector<MediaFeatures>& tiles);

// FeatureArrangement::frames_in_order.
std::vector<FeatureBlock> blocks_of_frames(const Arranged& media);
MediaFeatures arrange_frames(std::vector<MediaFeatures> tiles);

}  // namespace azimuth::vision
