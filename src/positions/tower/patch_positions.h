// Where the patches of an image are, in the order in which the tower reads them.
#pragma once

#include <cstdint>
#include <vector>

#include "azimuth/prompt.h"
#include "spec/vision_spec.h"

namespace azimuth::positions {

struct PatchPosition {
  int32_t row = 0;
  int32_t column = 0;
};

// Row and column of each patch of one frame of `grid` (patches), [h * w]. `merge` divides the grid where the order is
// one of blocks.
std::vector<PatchPosition> patch_positions(PatchOrder order, const Grid& grid, int merge);

}  // namespace azimuth::positions
