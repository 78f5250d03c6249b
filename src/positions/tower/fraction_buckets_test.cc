// Against torch.bucketize over torch.arange(1 / side, 1, 1 / side), as transformers calls them (torch 2.15).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "positions/tower/resample_rules.h"

namespace azimuth::positions {
namespace {

using testing::ElementsAre;

std::vector<int32_t> rows(AxisResample rule, int64_t targets, int side) {
  std::vector<int32_t> out;
  for (int32_t target = 0; target < targets; ++target) {
    const AxisTaps taps = rule(target, targets, side);
    EXPECT_EQ(taps.count, 1);
    EXPECT_EQ(taps.weight[0], 1.0f);
    out.push_back(taps.index[0]);
  }
  return out;
}

TEST(FractionBuckets, EqualTorch) {
  EXPECT_THAT(rows(fraction_buckets, 1, 1), ElementsAre(0));
  EXPECT_THAT(rows(fraction_buckets, 5, 7), ElementsAre(0, 1, 2, 4, 5));
  EXPECT_THAT(rows(fraction_buckets, 20, 19),
              ElementsAre(0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18));
  EXPECT_THAT(rows(fraction_buckets, 33, 16), ElementsAre(0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9,
                                                          10, 10, 11, 11, 12, 12, 13, 13, 14, 14, 15, 15));
}

// Rows on a border go where the last bit of f32 puts them.
TEST(FractionBuckets, RoundAsTorchWhereTableAndImageAgree) {
  EXPECT_THAT(rows(fraction_buckets, 19, 19),
              ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 11, 13, 14, 15, 16, 17, 18));
  EXPECT_THAT(rows(fraction_buckets, 25, 25),
              ElementsAre(0, 1, 2, 3, 4, 4, 6, 7, 8, 8, 9, 10, 11, 12, 14, 14, 16, 17, 17, 19, 19, 21, 22, 22, 24));
}

TEST(FractionBuckets, ShrunkFractionsFallOneLowerOnBorders) {
  EXPECT_THAT(rows(shrunk_fraction_buckets, 6, 6), ElementsAre(0, 0, 1, 2, 3, 4));
  EXPECT_THAT(rows(shrunk_fraction_buckets, 4, 8), ElementsAre(0, 1, 3, 5));
}

}  // namespace
}  // namespace azimuth::positions
