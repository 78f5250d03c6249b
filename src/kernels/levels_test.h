// Tests that run once at every kernel level that the machine has.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "kernels/kernels.h"

namespace azimuth::kernels {

// Half the distance of 1 to the next f32: the largest relative error of one rounding.
inline constexpr double kUnit = 0x1p-24;

class LevelTest : public testing::TestWithParam<CpuLevel> {
 protected:
  void SetUp() override {
    before_ = active_level();
    ASSERT_TRUE(force_level(GetParam()).ok());
  }
  void TearDown() override { ASSERT_TRUE(force_level(before_).ok()); }

 private:
  CpuLevel before_ = CpuLevel::generic;
};

inline std::string level_name(const testing::TestParamInfo<CpuLevel>& level) {
  return std::string(to_string(level.param));
}

#define AZ_AT_EVERY_LEVEL(suite) \
  INSTANTIATE_TEST_SUITE_P(Levels, suite, testing::ValuesIn(available_levels()), level_name)

class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}
  int64_t integer(int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(engine_); }
  float normal(float spread = 1.0f) { return spread * std::normal_distribution<float>()(engine_); }
  std::vector<float> normals(int64_t count, float spread = 1.0f) {
    std::vector<float> values(static_cast<size_t>(count));
    for (float& value : values) value = normal(spread);
    return values;
  }

 private:
  std::mt19937 engine_;
};

}  // namespace azimuth::kernels
