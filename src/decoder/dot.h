// Sum of products in an order that depends on the width alone.
#pragma once

#include <array>
#include <cstdint>

namespace azimuth::decoder {

// Eight partial sums, which a compiler may keep in one register without changing a bit.
inline float dot(const float* a, const float* b, int64_t width) {
  constexpr int kLanes = 8;
  std::array<float, kLanes> sums{};
  int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) sums[static_cast<size_t>(lane)] += a[i + lane] * b[i + lane];
  }
  float total = 0.0f;
  for (; i < width; ++i) total += a[i] * b[i];
  for (const float sum : sums) total += sum;
  return total;
}

}  // namespace azimuth::decoder
