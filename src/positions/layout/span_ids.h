// Building blocks shared by layouts.
#pragma once

#include <algorithm>
#include <cmath>

#include "positions/policy.h"

namespace azimuth::positions {

// A running position on the grid that LayoutRun::next_text lives on.
inline double on_grid(double position) {
  constexpr double kGrid = 1 << 20;
  return std::nearbyint(position * kGrid) / kGrid;
}

// One token's ids, rounded once from f64.
inline void append_ids(std::initializer_list<double> ids, LayoutRun& run, PositionSet& set) {
  for (const double id : ids) {
    set.ids.push_back(static_cast<float>(id));
    run.max_id = std::max(run.max_id, id);
  }
}

// The same id on every axis that text advances, 0 on the others.
inline void append_text_id(double id, LayoutRun& run, PositionSet& set) {
  for (int axis = 0; axis < set.axes; ++axis) {
    set.ids.push_back((set.text_axes >> axis & 1) != 0 ? static_cast<float>(id) : 0.0f);
  }
  run.max_id = std::max(run.max_id, id);
}

// Gives `count` consecutive ids from P and moves P behind them: text, and images of one-axis policies.
inline void append_consecutive(int64_t count, LayoutRun& run, PositionSet& set) {
  for (int64_t k = 0; k < count; ++k) append_text_id(run.next_text + static_cast<double>(k), run, set);
  run.next_text += static_cast<double>(count);
}

// Calls cell(i, r, c) for every cell of `grid`, in the order of its tokens.
template <typename Cell>
void for_each_cell(const Grid& grid, Cell cell) {
  for (int64_t i = 0; i < grid.t; ++i) {
    for (int64_t r = 0; r < grid.h; ++r) {
      for (int64_t c = 0; c < grid.w; ++c) cell(static_cast<double>(i), static_cast<double>(r), static_cast<double>(c));
    }
  }
}

// Moves P to `position`, which may be fractional.
inline void move_to(double position, LayoutRun& run) {
  run.next_text = on_grid(position);
}

inline bool is_text(const LayoutInput& input) {
  return input.span.kind == SpanKind::text;
}

}  // namespace azimuth::positions
