// Products that share rows, or end in an activation, give the bits of one call after the other.
#include "kernels/levels_test.h"

namespace azimuth::kernels {
namespace {

class FusedProductsTest : public LevelTest {};
AZ_AT_EVERY_LEVEL(FusedProductsTest);

constexpr WeightType kTypes[] = {WeightType::f32, WeightType::bf16, WeightType::q8, WeightType::q4};
constexpr int64_t kInputs = 200;

struct Matrix {
  PackedMatrix weight;
  std::vector<float> bias;

  Matrix(int64_t outputs, WeightType type, unsigned seed) {
    Random random(seed);
    ThreadPool pool(1);
    const std::vector<float> values = random.normals(outputs * kInputs, 0.1f);
    bias = random.normals(outputs);
    auto packed =
        PackedMatrix::pack(TensorView::contiguous(values.data(), DType::f32, Shape{outputs, kInputs}), type, pool);
    EXPECT_TRUE(packed.ok());
    weight = std::move(*packed);
  }
  Product product(std::vector<float>& y, int64_t ldy) const { return {&weight, bias.data(), y.data(), ldy}; }
};

// What single calls give: [rows, outputs].
std::vector<float> alone(const Matrix& m, const std::vector<float>& x, int64_t rows) {
  ThreadPool pool(1);
  std::vector<float> y(static_cast<size_t>(rows * m.weight.outputs()));
  matmul(m.weight, x.data(), rows, kInputs, m.bias.data(), y.data(), m.weight.outputs(), pool);
  return y;
}

// y [rows, columns] with row stride `stride`, whose other elements must still be -7.
std::vector<float> dense(const std::vector<float>& y, int64_t rows, int64_t columns, int64_t stride) {
  std::vector<float> out;
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t j = 0; j < stride; ++j) {
      if (j < columns)
        out.push_back(y[static_cast<size_t>(r * stride + j)]);
      else
        EXPECT_EQ(y[static_cast<size_t>(r * stride + j)], -7.0f);
    }
  }
  return out;
}

TEST_P(FusedProductsTest, ManyProductsOfTheSameRowsAreThatOfEach) {
  for (const WeightType type : kTypes) {
    const Matrix first(70, type, 1), second(33, type, 2), third(1, type, 3);
    for (const int64_t rows : {1, 3, 40}) {
      const std::vector<float> x = Random(4).normals(rows * kInputs);
      std::vector<float> a(rows * 80, -7.0f), b(rows * 33), c(rows * 2, -7.0f);
      ThreadPool pool(2);
      const Product products[] = {first.product(a, 80), second.product(b, 33), third.product(c, 2)};
      matmul_all(products, x.data(), rows, kInputs, pool);
      EXPECT_EQ(dense(a, rows, 70, 80), alone(first, x, rows)) << to_string(type) << ", " << rows;
      EXPECT_EQ(b, alone(second, x, rows));
      EXPECT_EQ(dense(c, rows, 1, 2), alone(third, x, rows));
    }
  }
}

TEST_P(FusedProductsTest, ProductsOfDifferentRowsMayStandTogether) {
  const Matrix eight(40, WeightType::q8, 9);
  Matrix seven(40, WeightType::q8, 10);
  seven.weight.set_row_bits(RowBits::seven);
  const std::vector<float> x = Random(11).normals(40 * kInputs);
  std::vector<float> a(40 * 40), b(40 * 40);
  ThreadPool pool(2);
  const Product products[] = {eight.product(a, 40), seven.product(b, 40)};
  matmul_all(products, x.data(), 40, kInputs, pool);
  EXPECT_EQ(a, alone(eight, x, 40));
  const std::vector<float> narrow = alone(seven, x, 40);
  EXPECT_EQ(b, narrow);
  seven.weight.set_row_bits(RowBits::eight);
  EXPECT_NE(narrow, alone(seven, x, 40));
}

TEST_P(FusedProductsTest, ProductsOfDifferentTypesMayStandTogether) {
  const Matrix narrow(40, WeightType::q4, 5), wide(41, WeightType::q8, 6);
  const std::vector<float> x = Random(7).normals(5 * kInputs);
  std::vector<float> a(5 * 40), b(5 * 41);
  ThreadPool pool(2);
  const Product products[] = {narrow.product(a, 40), wide.product(b, 41)};
  matmul_all(products, x.data(), 5, kInputs, pool);
  EXPECT_EQ(a, alone(narrow, x, 5));
  EXPECT_EQ(b, alone(wide, x, 5));
  std::vector<float> gated(5 * 40);
  const Matrix gate(40, WeightType::q8, 8);
  matmul_gated(gate.product(gated, 40), narrow.product(a, 40), Activation::silu, x.data(), 5, kInputs, pool);
  std::vector<float> expected = alone(gate, x, 5);
  activate_gated(Activation::silu, expected.data(), alone(narrow, x, 5).data(), 5 * 40, pool);
  EXPECT_EQ(gated, expected);
}

TEST_P(FusedProductsTest, ActivationsAreThoseOfAPassOfTheirOwn) {
  ThreadPool pool(2);
  for (const WeightType type : kTypes) {
    const Matrix gate(70, type, 9), up(70, type, 10);
    for (const int64_t rows : {1, 40}) {
      const std::vector<float> x = Random(11).normals(rows * kInputs);
      for (const Activation activation : {Activation::silu, Activation::gelu_tanh, Activation::relu}) {
        std::vector<float> expected = alone(up, x, rows);
        activate(activation, expected.data(), rows * 70, pool);
        std::vector<float> y(rows * 75, -7.0f);
        matmul_activate(up.product(y, 75), activation, x.data(), rows, kInputs, pool);
        EXPECT_EQ(dense(y, rows, 70, 75), expected) << to_string(type) << ", " << to_string(activation);

        expected = alone(gate, x, rows);
        activate_gated(activation, expected.data(), alone(up, x, rows).data(), rows * 70, pool);
        std::vector<float> gated(rows * 75, -7.0f);
        Product other = up.product(y, 75);
        other.y = nullptr;
        matmul_gated(gate.product(gated, 75), other, activation, x.data(), rows, kInputs, pool);
        EXPECT_EQ(dense(gated, rows, 70, 75), expected) << to_string(type) << ", " << to_string(activation);
      }
    }
  }
}

}  // namespace
}  // namespace azimuth::kernels
