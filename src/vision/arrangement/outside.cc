// All places for tiles of a picture as one block that takes one token.
#include "vision/arrangement/arrangement.h"

namespace azimuth::vision {

std::vector<FeatureBlock> block_outside(const Arranged& media) {
  const int64_t per_tile = media.spec.class_tokens + int64_t{media.spec.learned_side} * media.spec.learned_side;
  FeatureBlock block;
  block.grid = {1, 1, 1};
  block.features = media.spec.canvas->tiles * per_tile;
  block.delivery = Delivery::cross;
  return {block};
}

}  // namespace azimuth::vision
