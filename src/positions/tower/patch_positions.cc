#include "positions/tower/patch_positions.h"

namespace azimuth::positions {
namespace {

// Rows of blocks, blocks of a row, and inside a block its rows and their columns. Blocks of 1 x 1 are raster order.
std::vector<PatchPosition> in_blocks(const Grid& grid, int32_t block) {
  std::vector<PatchPosition> patches;
  patches.reserve(static_cast<size_t>(grid.h * grid.w));
  for (int32_t block_row = 0; block_row < grid.h; block_row += block) {
    for (int32_t block_column = 0; block_column < grid.w; block_column += block) {
      for (int32_t r = 0; r < block; ++r) {
        for (int32_t c = 0; c < block; ++c) patches.push_back({block_row + r, block_column + c});
      }
    }
  }
  return patches;
}

}  // namespace

std::vector<PatchPosition> patch_positions(PatchOrder order, const Grid& grid, int merge) {
  switch (order) {
    case PatchOrder::raster: return in_blocks(grid, 1);
    case PatchOrder::merge_blocks: return in_blocks(grid, merge);
  }
  return {};
}

}  // namespace azimuth::positions
