#include "positions/tower/grid_taps.h"

#include "positions/tower/resample_rules.h"

namespace azimuth::positions {
namespace {

AxisResample rule_of(GridResample resample) {
  switch (resample) {
    case GridResample::bilinear_corners: return bilinear_corners;
    case GridResample::bilinear: return bilinear;
    case GridResample::bicubic: return bicubic;
    case GridResample::fixed: break;  // grids are equal, and every rule gives the row itself
    case GridResample::fraction_buckets: return fraction_buckets;
    case GridResample::shrunk_fraction_buckets: return shrunk_fraction_buckets;
  }
  return bilinear_corners;
}

}  // namespace

GridTaps learned_grid_taps(GridResample resample, int side, const Grid& grid,
                           const std::vector<PatchPosition>& patches) {
  const AxisResample axis_taps = rule_of(resample);
  GridTaps taps;
  for (const PatchPosition& patch : patches) {
    const AxisTaps rows = axis_taps(patch.row, grid.h, side);
    const AxisTaps columns = axis_taps(patch.column, grid.w, side);
    taps.per_patch = rows.count * columns.count;
    for (int r = 0; r < rows.count; ++r) {
      for (int c = 0; c < columns.count; ++c) {
        taps.index.push_back(rows.index[r] * side + columns.index[c]);
        taps.weight.push_back(rows.weight[r] * columns.weight[c]);
      }
    }
  }
  return taps;
}

}  // namespace azimuth::positions
