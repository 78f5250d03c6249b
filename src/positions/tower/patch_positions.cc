#include "positions/tower/patch_positions.h"

#include <algorithm>
#include <cmath>

#include "positions/frequency/spectrum.h"

namespace azimuth::positions {
namespace {

struct AxisTaps {
  int32_t index[2];
  float weight[2];
};

// align_corners = true: the first and last target sit on the first and last source (positions.md 1.2).
AxisTaps bilinear_corners(int32_t target, int64_t targets, int side) {
  const float source =
      static_cast<float>(target) * static_cast<float>(side - 1) / static_cast<float>(std::max<int64_t>(targets - 1, 1));
  const float floor = std::floor(source);
  AxisTaps taps{};
  for (int tap = 0; tap < 2; ++tap) {
    taps.index[tap] = std::clamp(static_cast<int32_t>(floor) + tap, 0, side - 1);
    taps.weight[tap] = std::max(0.0f, 1.0f - std::fabs(source - floor - static_cast<float>(tap)));
  }
  return taps;
}

}  // namespace

std::vector<PatchPosition> patch_positions(PatchOrder order, const Grid& grid, int merge) {
  const auto height = static_cast<int32_t>(grid.h);
  const auto width = static_cast<int32_t>(grid.w);
  std::vector<PatchPosition> patches;
  patches.reserve(static_cast<size_t>(grid.h * grid.w));
  switch (order) {
    case PatchOrder::merge_blocks:
      for (int32_t block_row = 0; block_row < height; block_row += merge) {
        for (int32_t block_column = 0; block_column < width; block_column += merge) {
          for (int32_t r = 0; r < merge; ++r) {
            for (int32_t c = 0; c < merge; ++c) patches.push_back({block_row + r, block_column + c});
          }
        }
      }
      break;
  }
  return patches;
}

RotaryTable tower_rotary(const VisionSpec& vision, const std::vector<PatchPosition>& patches) {
  // Half of the pairs turn with the row, half with the column, both with the whole spectrum of d/4 frequencies
  // (positions.md 1.9): that is a plan with two axes.
  const std::vector<float> spectrum = inverse_frequencies(vision.rotary_theta, vision.head_dim / 2);
  FrequencyPlan plan;
  for (int8_t axis = 0; axis < 2; ++axis) {
    plan.axis.insert(plan.axis.end(), spectrum.size(), axis);
    plan.inv_freq.insert(plan.inv_freq.end(), spectrum.begin(), spectrum.end());
  }
  plan.pairs = static_cast<int>(plan.axis.size());
  std::vector<float> ids;  // [patches, 2]
  for (const PatchPosition& patch : patches) {
    ids.push_back(static_cast<float>(patch.row));
    ids.push_back(static_cast<float>(patch.column));
  }
  RotaryTable table;
  append_rotary(plan, ids.data(), static_cast<int64_t>(patches.size()), 2, table);
  return table;
}

std::vector<GridTap> learned_grid_taps(GridResample resample, int side, const Grid& grid,
                                       const std::vector<PatchPosition>& patches) {
  std::vector<GridTap> taps;
  taps.reserve(patches.size());
  switch (resample) {
    case GridResample::bilinear_corners:
      for (const PatchPosition& patch : patches) {
        const AxisTaps rows = bilinear_corners(patch.row, grid.h, side);
        const AxisTaps columns = bilinear_corners(patch.column, grid.w, side);
        GridTap tap{};
        for (int i = 0; i < 4; ++i) {
          tap.index[i] = rows.index[i / 2] * side + columns.index[i % 2];
          tap.weight[i] = rows.weight[i / 2] * columns.weight[i % 2];
        }
        taps.push_back(tap);
      }
      break;
  }
  return taps;
}

}  // namespace azimuth::positions
