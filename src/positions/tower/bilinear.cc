#include <algorithm>
#include <cmath>

#include "positions/tower/resample_rules.h"

namespace azimuth::positions {

float centre_of_cell(int32_t target, int64_t targets, int side) {
  return (static_cast<float>(target) + 0.5f) * static_cast<float>(side) / static_cast<float>(targets) - 0.5f;
}

AxisTaps bilinear(int32_t target, int64_t targets, int side) {
  const float source = centre_of_cell(target, targets, side);
  const float floor = std::floor(source);
  AxisTaps taps{.count = 2};
  for (int tap = 0; tap < 2; ++tap) {
    taps.index[tap] = std::clamp(static_cast<int32_t>(floor) + tap, 0, side - 1);
    taps.weight[tap] = 1.0f - std::fabs(source - floor - static_cast<float>(tap));
  }
  return taps;
}

}  // namespace azimuth::positions
