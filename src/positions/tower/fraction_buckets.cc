#include <algorithm>
#include <cmath>

#include "positions/tower/resample_rules.h"

namespace azimuth::positions {
namespace {

constexpr int kLanes = 8;           // of the vectors that torch.arange fills
constexpr int kBlock = 2 * kLanes;  // what it fills at a time; behind the last whole block it goes number by number

// Number `index` of torch.arange(1 / side, 1, 1 / side) in f32. Within blocks the first number of each vector is
// rounded before the others are counted from it; fractions are compared with these borders, so their last bit decides.
float border(int index, int count, int side) {
  const double step = 1.0 / side;
  if (index >= count / kBlock * kBlock) return static_cast<float>(step + step * index);
  const auto base = static_cast<float>(step + step * (index / kLanes * kLanes));
  return static_cast<float>(static_cast<double>(base) + (index % kLanes) * step);
}

// Borders up to and with `fraction`.
int bucket_of(float fraction, int side) {
  const double step = 1.0 / side;
  const int count = std::max(0, static_cast<int>(std::ceil((1.0 - step) / step)));
  int bucket = std::clamp(static_cast<int>(fraction * static_cast<float>(side)) - 1, 0, count);
  while (bucket > 0 && border(bucket - 1, count, side) > fraction) --bucket;
  while (bucket < count && border(bucket, count, side) <= fraction) ++bucket;
  return bucket;
}

AxisTaps bucket_taps(float fraction, int side) {
  AxisTaps taps{.count = 1};
  taps.index[0] = std::min(bucket_of(std::min(fraction, static_cast<float>(1.0 - 1e-6)), side), side - 1);
  taps.weight[0] = 1.0f;
  return taps;
}

}  // namespace

AxisTaps fraction_buckets(int32_t target, int64_t targets, int side) {
  return bucket_taps(static_cast<float>(target) * (1.0f / static_cast<float>(targets)), side);
}

AxisTaps shrunk_fraction_buckets(int32_t target, int64_t targets, int side) {
  const float fraction = static_cast<float>(target) / static_cast<float>(targets);
  return bucket_taps(fraction * static_cast<float>(1.0 - 1e-6), side);
}

}  // namespace azimuth::positions
