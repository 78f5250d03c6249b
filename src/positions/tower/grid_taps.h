// How a learned position grid becomes the positions of an image: weighted rows of the table for each patch.
#pragma once

#include <cstdint>
#include <vector>

#include "positions/tower/patch_positions.h"

namespace azimuth::positions {

// Row k of the table is the cell (k / side, k % side) of a learned grid.
struct GridTaps {
  int per_patch = 0;
  std::vector<int32_t> index;  // [patches, per_patch], rows of the [side * side] table
  std::vector<float> weight;   // [patches, per_patch]
};

// The taps of `patches` in an image of h x w patches: 4 per patch for the bilinear rules, 16 for the bicubic one, 1 for
// buckets.
GridTaps learned_grid_taps(GridResample resample, int side, const Grid& grid,
                           const std::vector<PatchPosition>& patches);

}  // namespace azimuth::positions
