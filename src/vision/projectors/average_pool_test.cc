#include <gtest/gtest.h>

#include "vision/projectors/projector.h"

namespace azimuth::vision {
namespace {

// 5 x 5 patches pooled by 2: four cells, without the last row and column. One channel, the norm keeps signs.
TEST(AveragePool, LeavesOutWhatNoCellCovers) {
  ThreadPool pool(1);
  Tensor hidden = Tensor::zeros({25, 1});
  hidden.row(0)[0] = hidden.row(1)[0] = hidden.row(5)[0] = hidden.row(6)[0] = 1.0f;  // cell (0, 0)
  hidden.row(7)[0] = -4.0f;                                                          // cell (0, 1)
  hidden.row(4)[0] = hidden.row(20)[0] = 100.0f;                                     // in no cell
  hidden.row(16)[0] = 1e-3f;                                                         // cell (1, 0)
  ProjectorWeights weights;
  weights.norm.weight = Tensor({1});
  weights.norm.weight.data()[0] = 2.0f;
  const float three = 3.0f;
  Result<kernels::PackedMatrix> matrix = kernels::PackedMatrix::pack(
      TensorView::contiguous(&three, DType::f32, Shape({1, 1})), kernels::WeightType::f32, pool);
  ASSERT_TRUE(matrix.ok());
  weights.first.weight = std::move(*matrix);
  const ProjectorSpec spec{.kind = ProjectorKind::average_pool, .merge = 2, .output = 1, .norm_eps = 1e-12f};
  const Result<Tensor> cells = project(spec, weights, hidden, {1, 5, 5}, pool);
  ASSERT_TRUE(cells.ok());
  ASSERT_EQ(cells->shape(), Shape({4, 1}));
  EXPECT_FLOAT_EQ(cells->row(0)[0], 6.0f);
  EXPECT_FLOAT_EQ(cells->row(1)[0], -6.0f);
  EXPECT_NEAR(cells->row(2)[0], 6.0f, 1e-3f);
  EXPECT_FLOAT_EQ(cells->row(3)[0], 0.0f);
}

}  // namespace
}  // namespace azimuth::vision
