#include <gtest/gtest.h>

#include <cmath>

#include "vision/projectors/projector.h"

namespace azimuth::vision {
namespace {

ProjectorWeights identity(int width, ThreadPool& pool) {
  Tensor matrix = Tensor::zeros({width, width});
  for (int i = 0; i < width; ++i) matrix.row(i)[i] = 1.0f;
  ProjectorWeights weights;
  weights.second.weight = std::move(*kernels::PackedMatrix::pack(matrix.view(), kernels::WeightType::f32, pool));
  return weights;
}

// Two frames of 2 x 4 patches pooled by 2: two cells each. A large eps leaves the cells' sizes to be seen.
TEST(PositionPool, AveragesCellsOfEveryFrameAndScalesBySqrtOfTheWidth) {
  ThreadPool pool(1);
  Tensor hidden = Tensor::zeros({16, 4});
  for (const int row : {2, 3, 6, 7}) hidden.row(row)[0] = 1.0f;  // cell 1 of the first frame
  hidden.row(8)[1] = 4.0f;                                       // a quarter of cell 0 of the second
  ProjectorSpec spec{.kind = ProjectorKind::position_pool, .merge = 2, .output = 4, .norm_eps = 1e6f};
  const Result<Tensor> cells = project(spec, identity(4, pool), hidden, {2, 2, 4}, pool);
  ASSERT_TRUE(cells.ok());
  ASSERT_EQ(cells->shape(), Shape({4, 4}));
  EXPECT_NEAR(cells->row(0)[0] * 1e3f, 0.0f, 1e-5f);
  EXPECT_NEAR(cells->row(1)[0] * 1e3f, 2.0f, 1e-4f);
  EXPECT_NEAR(cells->row(2)[1] * 1e3f, 2.0f, 1e-4f);
}

TEST(PositionPool, MovesBeforeItSpreads) {
  ThreadPool pool(1);
  Tensor hidden = Tensor::zeros({1, 1});
  hidden.row(0)[0] = 5.0f;
  ProjectorWeights weights = identity(1, pool);
  weights.mean = Tensor::zeros({1});
  weights.mean.data()[0] = 3.0f;
  weights.scale = Tensor::zeros({1});
  weights.scale.data()[0] = 10.0f;
  ProjectorSpec spec{.kind = ProjectorKind::position_pool, .merge = 1, .output = 1, .norm_eps = 1e6f};
  spec.standardise = true;
  const Result<Tensor> cells = project(spec, weights, hidden, {1, 1, 1}, pool);
  ASSERT_TRUE(cells.ok());
  EXPECT_NEAR(cells->row(0)[0], 20.0f / std::sqrt(1e6f + 400.0f), 1e-6f);
}

}  // namespace
}  // namespace azimuth::vision
