#include <algorithm>
#include <cmath>

#include "positions/tower/resample_rules.h"

namespace azimuth::positions {

AxisTaps bilinear_corners(int32_t target, int64_t targets, int side) {
  const float source =
      static_cast<float>(target) * static_cast<float>(side - 1) / static_cast<float>(std::max<int64_t>(targets - 1, 1));
  const float floor = std::floor(source);
  AxisTaps taps{.count = 2};
  for (int tap = 0; tap < 2; ++tap) {
    taps.index[tap] = std::clamp(static_cast<int32_t>(floor) + tap, 0, side - 1);
    taps.weight[tap] = std::max(0.0f, 1.0f - std::fabs(source - floor - static_cast<float>(tap)));
  }
  return taps;
}

}  // namespace azimuth::positions
