#include "vision/clipped_linear.h"

#include <gtest/gtest.h>

#include <array>
#include <limits>

namespace azimuth::vision {
namespace {

TEST(ClippedLinear, HoldsInputsAndOutputsWithinTheirBounds) {
  ThreadPool pool(1);
  const std::array<float, 2> matrix = {1.0f, 10.0f};
  ClippedLinear linear;
  linear.weight = std::move(*kernels::PackedMatrix::pack(
      TensorView::contiguous(matrix.data(), DType::f32, Shape({1, 2})), kernels::WeightType::f32, pool));
  const std::array<float, 6> x = {2.0f, 0.5f, -9.0f, 0.0f, 1.0f, 9.0f};  // [3, 2]
  std::array<float, 6> y = {};                                           // [3] in rows of two
  constexpr float kNone = std::numeric_limits<float>::infinity();
  linear.bounds = ClipBounds{-1.0f, kNone, -kNone, 6.5f};
  linear.apply_strided(x.data(), 3, y.data(), 2, pool);
  EXPECT_EQ(y, (std::array<float, 6>{6.5f, 0.0f, -1.0f, 0.0f, 6.5f, 0.0f}));
  linear.bounds.reset();
  linear.apply(x.data(), 3, y.data(), pool);
  EXPECT_EQ(y[0], 7.0f);
  EXPECT_EQ(y[1], -9.0f);
}

}  // namespace
}  // namespace azimuth::vision
