#include "positions/rotary_table.h"

#include <cmath>

namespace azimuth::positions {

void append_rotary(const FrequencyPlan& plan, const float* ids, int64_t tokens, int axes, RotaryTable& table) {
  table.groups = plan.groups;
  table.pairs = plan.pairs;
  const size_t row = static_cast<size_t>(plan.groups) * static_cast<size_t>(plan.pairs);
  table.cosines.reserve(table.cosines.size() + row * static_cast<size_t>(tokens));
  table.sines.reserve(table.sines.size() + row * static_cast<size_t>(tokens));
  for (int64_t token = 0; token < tokens; ++token) {
    for (size_t i = 0; i < row; ++i) {
      const int axis = plan.axis[i];
      const float angle = axis < 0 ? 0.0f : ids[token * axes + axis] * plan.inv_freq[i];
      table.cosines.push_back(static_cast<float>(std::cos(static_cast<double>(angle))) * plan.attention_scale);
      table.sines.push_back(static_cast<float>(std::sin(static_cast<double>(angle))) * plan.attention_scale);
    }
  }
}

}  // namespace azimuth::positions
