#include "vision/windows.h"

#include <algorithm>

namespace azimuth::vision {
namespace {

// Copies groups of `group` rows between natural order and window order, frame after frame.
Tensor reorder(const WindowPlan& plan, const Tensor& rows, int64_t group, bool to_windows) {
  const auto cells = static_cast<int64_t>(plan.cells.size());
  const int64_t frames = rows.shape()[0] / (cells * group);
  const int64_t elements = group * rows.row_elements();
  Tensor out(rows.shape());
  for (int64_t frame = 0; frame < frames; ++frame) {
    for (int64_t i = 0; i < cells; ++i) {
      const int64_t windowed = (frame * cells + i) * group;
      const int64_t natural = (frame * cells + plan.cells[static_cast<size_t>(i)]) * group;
      std::copy_n(rows.row(to_windows ? natural : windowed), elements, out.row(to_windows ? windowed : natural));
    }
  }
  return out;
}

}  // namespace

WindowPlan plan_windows(const VisionSpec& spec, const Grid& grid) {
  WindowPlan plan;
  if (spec.windowed_layers.empty()) return plan;
  const int64_t merge = spec.projector.merge;
  const int64_t side = spec.window;
  const int64_t rows = grid.h / merge;
  const int64_t columns = grid.w / merge;
  plan.cell_patches = merge * merge;
  for (int64_t top = 0; top < rows; top += side) {
    for (int64_t left = 0; left < columns; left += side) {
      const auto begin = static_cast<int64_t>(plan.ranges.size());
      const int64_t bottom = std::min(top + side, rows);
      const int64_t right = std::min(left + side, columns);
      for (int64_t row = top; row < bottom; ++row) {
        for (int64_t column = left; column < right; ++column) plan.cells.push_back(row * columns + column);
      }
      const int64_t end = begin + (bottom - top) * (right - left) * plan.cell_patches;
      plan.ranges.resize(static_cast<size_t>(end), {begin, end});
    }
  }
  return plan;
}

std::vector<positions::PatchPosition> to_window_order(const WindowPlan& plan,
                                                      const std::vector<positions::PatchPosition>& frame) {
  std::vector<positions::PatchPosition> ordered;
  ordered.reserve(frame.size());
  for (const int64_t cell : plan.cells) {
    const auto first = frame.begin() + cell * plan.cell_patches;
    ordered.insert(ordered.end(), first, first + plan.cell_patches);
  }
  return ordered;
}

Tensor to_window_order(const WindowPlan& plan, const Tensor& patches) {
  return reorder(plan, patches, plan.cell_patches, true);
}

Tensor from_window_order(const WindowPlan& plan, const Tensor& cells) {
  return reorder(plan, cells, 1, false);
}

}  // namespace azimuth::vision
