#include "positions/rotary_table.h"

#include <cmath>

namespace azimuth::positions {

void rotate_unit(float id, float inv_freq, float scale, float& cosine, float& sine) {
  const float angle = id * inv_freq;
  cosine = static_cast<float>(std::cos(static_cast<double>(angle))) * scale;
  sine = static_cast<float>(std::sin(static_cast<double>(angle))) * scale;
}

void append_rotary(const FrequencyPlan& plan, const float* ids, int64_t tokens, int axes, RotaryTable& table) {
  table.groups = plan.groups;
  table.pairs = plan.pairs;
  const size_t row = static_cast<size_t>(plan.groups) * static_cast<size_t>(plan.pairs);
  for (int64_t token = 0; token < tokens; ++token) {
    for (size_t i = 0; i < row; ++i) {
      const int axis = plan.axis[i];
      rotate_unit(axis < 0 ? 0.0f : ids[token * axes + axis], plan.inv_freq[i], plan.attention_scale,
                  table.cosines.emplace_back(), table.sines.emplace_back());
    }
  }
}

}  // namespace azimuth::positions
