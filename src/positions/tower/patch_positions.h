// Where the patches of an image are, in the order in which the tower reads them, and what its encodings make of it.
#pragma once

#include <cstdint>
#include <vector>

#include "azimuth/prompt.h"
#include "azimuth/status.h"
#include "positions/rotary_table.h"
#include "spec/vision_spec.h"

namespace azimuth::positions {

struct PatchPosition {
  int32_t row = 0;
  int32_t column = 0;
};

// Row and column of each patch of one frame of `grid` (patches), [h * w].
std::vector<PatchPosition> patch_positions(PatchOrder order, const Grid& grid, int merge);

// The tower's rotary table for these patches.
RotaryTable tower_rotary(const VisionSpec& vision, const std::vector<PatchPosition>& patches);

// One entry of a learned grid's resampling: four rows of the [side * side] table and their weights.
struct GridTap {
  int32_t index[4];
  float weight[4];
};

// How the learned grid is resampled to an image of h x w patches (positions.md 1.2), one entry per patch.
std::vector<GridTap> learned_grid_taps(GridResample resample, int side, const Grid& grid,
                                       const std::vector<PatchPosition>& patches);

}  // namespace azimuth::positions
