#include "base/rng.h"

#include <gtest/gtest.h>

#include <set>

namespace azimuth {
namespace {

using Words = std::array<uint32_t, 4>;

// The known answers published with the authors' Random123 library for philox4x32 with 10 rounds.
TEST(Philox, KnownAnswers) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}), (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Uniform, EveryKeyGivesItsOwnNumberInRange) {
  std::set<double> seen;
  for (uint64_t seed : {0ull, 1ull, 1ull << 40}) {
    for (uint64_t request : {0ull, 1ull, 1ull << 40}) {
      for (uint64_t step : {0ull, 1ull, 1ull << 40}) {
        const double value = uniform(seed, request, step);
        EXPECT_GE(value, 0.0);
        EXPECT_LT(value, 1.0);
        EXPECT_EQ(value, uniform(seed, request, step));
        seen.insert(value);
      }
    }
  }
  EXPECT_EQ(seen.size(), 27u);
}

TEST(Uniform, FillsTheUnitIntervalEvenly) {
  // Chi-square over 100 cells of 100,000 numbers: 99 degrees of freedom, 0.999 quantile 148.2.
  constexpr int kCells = 100;
  constexpr int kNumbers = 100'000;
  std::array<int, kCells> counts{};
  for (int step = 0; step < kNumbers; ++step) ++counts[static_cast<int>(uniform(7, 3, step) * kCells)];
  double statistic = 0.0;
  for (int count : counts) statistic += (count - 1000.0) * (count - 1000.0) / 1000.0;
  EXPECT_LT(statistic, 148.2);
}

}  // namespace
}  // namespace azimuth
