#include "base/float16.h"
#include "kernels/levels_test.h"

namespace azimuth::kernels {
namespace {

float round_bf16(float value) {
  return bf16_to_f32(f32_to_bf16(value));
}

struct Product {
  int64_t rows, inputs, outputs;
  std::vector<float> x, weights, bias;

  Product(int64_t r, int64_t k, int64_t n, unsigned seed) : rows(r), inputs(k), outputs(n) {
    Random random(seed);
    x = random.normals(r * k);
    weights = random.normals(n * k);
    bias = random.normals(n, 3.0f);
  }

  PackedMatrix pack(WeightType type) const {
    ThreadPool pool(2);
    auto packed =
        PackedMatrix::pack(TensorView::contiguous(weights.data(), DType::f32, Shape{outputs, inputs}), type, pool);
    EXPECT_TRUE(packed.ok());
    return std::move(packed).value();
  }

  std::vector<float> multiply(const PackedMatrix& w, int threads = 1, bool with_bias = true) const {
    std::vector<float> y(static_cast<size_t>(rows * outputs), std::numeric_limits<float>::quiet_NaN());
    ThreadPool pool(threads);
    matmul(w, x.data(), rows, inputs, with_bias ? bias.data() : nullptr, y.data(), outputs, pool);
    return y;
  }

  // A chain of inputs + 1 roundings (two per step where the product is rounded too) is off by at most that many units
  // of the sum of magnitudes.
  void expect_close(const std::vector<float>& y, WeightType type) const {
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = 0; j < outputs; ++j) {
        double sum = bias[j];
        double magnitude = std::abs(sum);
        for (int64_t k = 0; k < inputs; ++k) {
          double term = static_cast<double>(x[i * inputs + k]) * weights[j * inputs + k];
          if (type == WeightType::bf16)
            term = static_cast<double>(round_bf16(x[i * inputs + k])) * round_bf16(weights[j * inputs + k]);
          sum += term;
          magnitude += std::abs(term);
        }
        const double bound = 1.01 * static_cast<double>(inputs + 2) * kUnit * magnitude;
        ASSERT_NEAR(y[i * outputs + j], sum, bound)
            << rows << "x" << inputs << "x" << outputs << " at " << i << "," << j;
      }
    }
  }
};

class ProductsTest : public LevelTest {};
AZ_AT_EVERY_LEVEL(ProductsTest);

constexpr WeightType kTypes[] = {WeightType::f32, WeightType::bf16};

// rows, inputs, outputs: ones, multiples of every block, and nothing that is a multiple of anything.
constexpr int64_t kShapes[][3] = {{1, 1, 1},    {2, 3, 5},    {3, 0, 7},     {1, 0, 40},
                                  {5, 17, 33},  {12, 64, 32}, {13, 384, 64}, {31, 385, 47},
                                  {1, 769, 97}, {7, 768, 15}, {241, 50, 65}, {65, 1000, 39}};

TEST_P(ProductsTest, StayWithinTheRoundingOfOneChain) {
  unsigned seed = 1;
  for (const auto& [rows, inputs, outputs] : kShapes) {
    for (const WeightType type : kTypes) {
      const Product product(rows, inputs, outputs, seed++);
      product.expect_close(product.multiply(product.pack(type)), type);
    }
  }
}

TEST_P(ProductsTest, StayWithinTheRoundingAtRandomShapes) {
  Random random(77);
  for (unsigned seed = 0; seed < 12; ++seed) {
    const Product product(random.integer(1, 40), random.integer(1, 900), random.integer(1, 100), seed);
    const WeightType type = kTypes[seed % 2];
    product.expect_close(product.multiply(product.pack(type)), type);
  }
}

TEST_P(ProductsTest, GiveARowTheSameBitsInAnyCompany) {
  for (const WeightType type : kTypes) {
    const Product product(67, 801, 101, 5);
    const PackedMatrix w = product.pack(type);
    const std::vector<float> together = product.multiply(w);
    ThreadPool pool(1);
    std::vector<float> y(static_cast<size_t>(product.rows * product.outputs));
    for (const int64_t step : {1, 2, 3, 5, 11, 12, 13, 40}) {
      for (int64_t begin = 0; begin < product.rows; begin += step)
        matmul(w, product.x.data() + begin * product.inputs, std::min(step, product.rows - begin), product.inputs,
               product.bias.data(), y.data() + begin * product.outputs, product.outputs, pool);
      ASSERT_EQ(y, together) << to_string(type) << ", " << step << " rows at a time";
    }
  }
}

TEST_P(ProductsTest, GiveTheSameBitsForAnyNumberOfThreads) {
  for (const WeightType type : kTypes) {
    for (const int64_t rows : {1, 50}) {
      const Product product(rows, 500, 333, 6);
      const PackedMatrix w = product.pack(type);
      const std::vector<float> one = product.multiply(w, 1);
      for (const int threads : {2, 3, 5}) ASSERT_EQ(product.multiply(w, threads), one) << threads << " threads";
    }
  }
}

TEST_P(ProductsTest, ReadAndWriteStridedRowsAndNothingBetween) {
  const Product product(9, 30, 37, 7);
  const PackedMatrix w = product.pack(WeightType::f32);
  const std::vector<float> dense = product.multiply(w);
  constexpr int64_t kLdx = 41, kLdy = 50;
  std::vector<float> x(9 * kLdx, std::numeric_limits<float>::quiet_NaN());
  std::vector<float> y(9 * kLdy, -7.0f);
  for (int64_t i = 0; i < 9; ++i) std::copy_n(product.x.data() + i * 30, 30, x.data() + i * kLdx);
  ThreadPool pool(2);
  matmul(w, x.data(), 9, kLdx, product.bias.data(), y.data(), kLdy, pool);
  for (int64_t i = 0; i < 9; ++i)
    for (int64_t j = 0; j < kLdy; ++j) ASSERT_EQ(y[i * kLdy + j], j < 37 ? dense[i * 37 + j] : -7.0f);
}

TEST_P(ProductsTest, KeepANaNInItsOwnRowAndWeight) {
  Product product(14, 20, 40, 8);
  product.x[3 * 20 + 4] = std::numeric_limits<float>::quiet_NaN();
  product.weights[7 * 20 + 19] = std::numeric_limits<float>::infinity();
  const std::vector<float> y = product.multiply(product.pack(WeightType::f32));
  for (int64_t i = 0; i < 14; ++i)
    for (int64_t j = 0; j < 40; ++j) ASSERT_EQ(std::isfinite(y[i * 40 + j]), i != 3 && j != 7) << i << "," << j;
}

TEST_P(ProductsTest, WithoutBiasAddNothing) {
  Product product(6, 33, 21, 9);
  const PackedMatrix w = product.pack(WeightType::f32);
  const std::vector<float> without = product.multiply(w, 1, false);
  std::fill(product.bias.begin(), product.bias.end(), 0.0f);
  EXPECT_EQ(without, product.multiply(w, 1, true));
}

TEST_P(ProductsTest, ReadHalfPrecisionWeightsAndUnpackThem) {
  constexpr int64_t kOutputs = 35, kInputs = 27;
  std::vector<uint16_t> f16, bf16;
  for (int64_t i = 0; i < kOutputs * kInputs; ++i) {
    f16.push_back(static_cast<uint16_t>(0x3000 + 13 * i % 0x1000));
    bf16.push_back(f32_to_bf16(static_cast<float>(i % 91) - 45.0f));
  }
  ThreadPool pool(2);
  for (const WeightType type : kTypes) {
    auto half =
        PackedMatrix::pack(TensorView::contiguous(f16.data(), DType::f16, Shape{kOutputs, kInputs}), type, pool);
    auto brain =
        PackedMatrix::pack(TensorView::contiguous(bf16.data(), DType::bf16, Shape{kOutputs, kInputs}), type, pool);
    ASSERT_TRUE(half.ok() && brain.ok());
    for (int64_t j = 0; j < kOutputs; ++j) {
      float row[kInputs];
      half->unpack_row(j, row);
      for (int64_t k = 0; k < kInputs; ++k) {
        const float exact = f16_to_f32(f16[j * kInputs + k]);
        ASSERT_EQ(row[k], type == WeightType::f32 ? exact : round_bf16(exact));
      }
      brain->unpack_row(j, row);
      for (int64_t k = 0; k < kInputs; ++k) ASSERT_EQ(row[k], bf16_to_f32(bf16[j * kInputs + k]));
    }
  }
}

// Products of bf16 numbers are exact in f32, so a fused chain rounds as a plain one does.
TEST(Bf16Products, AreTheSameWhereverTheyAreChains) {
  const CpuLevel before = active_level();
  const Product product(23, 515, 77, 10);
  std::vector<float> first;
  for (const CpuLevel level : available_levels()) {
    if (level >= CpuLevel::avx512_bf16) continue;
    ASSERT_TRUE(force_level(level).ok());
    const std::vector<float> y = product.multiply(product.pack(WeightType::bf16));
    if (first.empty()) first = y;
    EXPECT_EQ(y, first) << to_string(level);
  }
  ASSERT_TRUE(force_level(before).ok());
}

TEST(PackedMatrix, RefusesWhatIsNoWeightMatrix) {
  ThreadPool pool(1);
  const std::vector<float> data(24);
  const auto cube =
      PackedMatrix::pack(TensorView::contiguous(data.data(), DType::f32, Shape{2, 3, 4}), WeightType::f32, pool);
  EXPECT_EQ(cube.status().code(), StatusCode::invalid_argument);
  const auto integers =
      PackedMatrix::pack(TensorView::contiguous(data.data(), DType::i32, Shape{4, 6}), WeightType::f32, pool);
  EXPECT_EQ(integers.status().code(), StatusCode::invalid_argument);
  TensorView transposed = TensorView::contiguous(data.data(), DType::f32, Shape{4, 6});
  transposed.strides = {1, 4};
  EXPECT_EQ(PackedMatrix::pack(transposed, WeightType::f32, pool).status().code(), StatusCode::invalid_argument);
}

TEST(PackedMatrix, SaysItsSizeAndIsEmptyBefore) {
  EXPECT_TRUE(PackedMatrix().empty());
  const Product product(1, 96, 64, 11);
  const PackedMatrix f32 = product.pack(WeightType::f32);
  const PackedMatrix bf16 = product.pack(WeightType::bf16);
  EXPECT_EQ(f32.outputs(), 64);
  EXPECT_EQ(f32.inputs(), 96);
  EXPECT_EQ(f32.bytes(), 64u * 96u * 4u);
  EXPECT_EQ(bf16.bytes(), 64u * 96u * 2u);
  EXPECT_EQ(bf16.type(), WeightType::bf16);
}

}  // namespace
}  // namespace azimuth::kernels
