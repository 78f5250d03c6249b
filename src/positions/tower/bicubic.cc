#include <algorithm>
#include <cmath>

#include "positions/tower/resample_rules.h"

namespace azimuth::positions {
namespace {

// The cubic convolution kernel at a distance of 0 to 2 rows.
float cubic(float distance) {
  constexpr float a = -0.75f;
  if (distance <= 1.0f) return ((a + 2.0f) * distance - (a + 3.0f)) * distance * distance + 1.0f;
  return ((a * distance - 5.0f * a) * distance + 8.0f * a) * distance - 4.0f * a;
}

}  // namespace

AxisTaps bicubic(int32_t target, int64_t targets, int side) {
  const float source = centre_of_cell(target, targets, side);
  const float floor = std::floor(source);
  AxisTaps taps{.count = 4};
  for (int tap = 0; tap < 4; ++tap) {
    const int offset = tap - 1;
    taps.index[tap] = std::clamp(static_cast<int32_t>(floor) + offset, 0, side - 1);
    taps.weight[tap] = cubic(std::fabs(source - floor - static_cast<float>(offset)));
  }
  return taps;
}

}  // namespace azimuth::positions
