// Building blocks shared by layouts.
#pragma once

#include <algorithm>

#include "azimuth/positions.h"

namespace azimuth::positions {

// Gives `count` consecutive ids from P on every axis and moves P behind them: text, and images of one-axis policies.
inline void append_consecutive(int64_t count, PositionState& state, PositionSet& set) {
  for (int64_t k = 0; k < count; ++k) {
    const float id = state.next_text + static_cast<float>(k);
    for (int axis = 0; axis < set.axes; ++axis) set.ids.push_back(id);
    state.max_id = std::max(state.max_id, id);
  }
  state.next_text += static_cast<float>(count);
}

}  // namespace azimuth::positions
