// Products with quantised weights: their numbers are the same, bit for bit, at every level.
#include "kernels/quantised.h"

#include <cstring>

#include "base/float16.h"
#include "kernels/levels_test.h"

namespace azimuth::kernels {
namespace {

constexpr WeightType kTypes[] = {WeightType::q8, WeightType::q4};

struct Kind {
  WeightType type;
  RowBits bits;
  float largest() const { return bits == RowBits::seven ? kLargestNarrowQuant : kLargestQuant; }
};
constexpr Kind kKinds[] = {{WeightType::q8, RowBits::eight},
                           {WeightType::q8, RowBits::seven},
                           {WeightType::q4, RowBits::eight},
                           {WeightType::q4, RowBits::seven}};
std::ostream& operator<<(std::ostream& out, const Kind& kind) {
  return out << to_string(kind.type) << " with rows of " << (kind.bits == RowBits::seven ? 7 : 8) << " bits";
}

struct Product {
  int64_t rows, inputs, outputs;
  std::vector<float> x, weights, bias;

  Product(int64_t r, int64_t k, int64_t n, unsigned seed) : rows(r), inputs(k), outputs(n) {
    Random random(seed);
    x = random.normals(r * k);
    // Channels that stand out, as language models have them.
    for (int64_t i = 0; i < r * k; i += 37) x[i] *= 40.0f;
    weights = random.normals(n * k, 0.05f);
    bias = random.normals(n, 3.0f);
  }

  PackedMatrix pack(WeightType type, RowBits bits = RowBits::eight) const {
    ThreadPool pool(2);
    auto packed = PackedMatrix::pack(TensorView::contiguous(weights.data(), DType::f32, Shape{outputs, inputs}), type,
                                     pool, bits);
    EXPECT_TRUE(packed.ok());
    return std::move(packed).value();
  }
  PackedMatrix pack(const Kind& kind) const { return pack(kind.type, kind.bits); }

  std::vector<float> multiply(const PackedMatrix& w, int threads = 1, bool with_bias = true) const {
    std::vector<float> y(static_cast<size_t>(rows * outputs), std::numeric_limits<float>::quiet_NaN());
    ThreadPool pool(threads);
    matmul(w, x.data(), rows, inputs, with_bias ? bias.data() : nullptr, y.data(), outputs, pool);
    return y;
  }
};

bool same_bytes(const PackedMatrix& a, const PackedMatrix& b) {
  return a.stored().size() == b.stored().size() &&
         std::memcmp(a.stored().data(), b.stored().data(), a.stored().size()) == 0;
}

// Runs `body` once at the generic level and once at the level of the test.
template <typename Body>
auto at_level(CpuLevel level, const Body& body) {
  const CpuLevel before = active_level();
  EXPECT_TRUE(force_level(level).ok());
  auto result = body();
  EXPECT_TRUE(force_level(before).ok());
  return result;
}

class QuantisedTest : public LevelTest {};
AZ_AT_EVERY_LEVEL(QuantisedTest);

constexpr int64_t kShapes[][3] = {{1, 1, 1},      {2, 3, 5},      {3, 0, 7},     {1, 0, 40},     {5, 65, 33},
                                  {12, 64, 32},   {13, 512, 64},  {31, 513, 47}, {1, 769, 97},   {17, 768, 15},
                                  {257, 130, 65}, {65, 1000, 39}, {33, 64, 96},  {48, 1100, 32}, {16, 640, 31}};

TEST_P(QuantisedTest, WeightsAreTheSameBytesAtEveryLevel) {
  unsigned seed = 1;
  for (const auto& [rows, inputs, outputs] : kShapes) {
    for (const Kind& kind : kKinds) {
      const Product product(rows, inputs, outputs, seed++);
      const PackedMatrix plain = at_level(CpuLevel::generic, [&] { return product.pack(kind); });
      ASSERT_TRUE(same_bytes(product.pack(kind), plain)) << kind << " " << outputs << "x" << inputs;
    }
  }
}

TEST_P(QuantisedTest, ProductsAreTheSameBitsAtEveryLevel) {
  unsigned seed = 1;
  for (const auto& [rows, inputs, outputs] : kShapes) {
    for (const Kind& kind : kKinds) {
      const Product product(rows, inputs, outputs, seed++);
      const std::vector<float> plain =
          at_level(CpuLevel::generic, [&] { return product.multiply(product.pack(kind)); });
      ASSERT_EQ(product.multiply(product.pack(kind)), plain) << kind << " " << rows << "x" << inputs << "x" << outputs;
    }
  }
}

TEST_P(QuantisedTest, ProductsAreTheSameBitsAtRandomShapes) {
  Random random(78);
  for (unsigned seed = 0; seed < 16; ++seed) {
    const Product product(random.integer(1, 70), random.integer(1, 1300), random.integer(1, 130), seed);
    const Kind& kind = kKinds[seed % 4];
    const std::vector<float> plain = at_level(CpuLevel::generic, [&] { return product.multiply(product.pack(kind)); });
    ASSERT_EQ(product.multiply(product.pack(kind), 2), plain)
        << kind << " " << product.rows << "x" << product.inputs << "x" << product.outputs;
  }
}

// A directory that was written for rows of 8 bits may hold any groups of quants.
TEST_P(QuantisedTest, RowsOf7BitsMeetWeightsThatWereNotQuantisedForThem) {
  unsigned seed = 1;
  for (const auto& [rows, inputs, outputs] : kShapes) {
    const Product product(rows, inputs, outputs, seed++);
    const auto multiply = [&] {
      PackedMatrix w = product.pack(WeightType::q8);
      w.set_row_bits(RowBits::seven);
      return product.multiply(w);
    };
    ASSERT_EQ(multiply(), at_level(CpuLevel::generic, multiply)) << rows << "x" << inputs << "x" << outputs;
  }
}

// Groups right at their bound, of either sign, and with rows of the largest quants of either sign: the sums of 16 bits
// that come closest to their limit. One more than the bound, and the sums must not be taken together.
TEST_P(QuantisedTest, GroupsAtTheirBoundDoNotOverflow) {
  constexpr int64_t kRows = 20, kInputs = 192, kOutputs = 33;
  for (const float sum : {258.0f, 260.0f}) {
    Product product(kRows, kInputs, kOutputs, 21);
    std::fill(product.weights.begin(), product.weights.end(), 0.0f);
    for (int64_t j = 0; j < kOutputs; ++j) {
      for (int64_t first = 0; first < kInputs; first += 16) {  // four quads: two groups
        float* w = product.weights.data() + j * kInputs + first;
        const float sign = (j + first / 16) % 3 == 0 ? 1.0f : -1.0f;
        for (const int half : {0, 2}) {
          w[half] = w[half + 4] = sign * 127.0f;  // which makes the scale 1
          w[half + 8] = sign * (half == 0 ? 1.0f : sum - 254.0f);
        }
      }
    }
    for (int64_t i = 0; i < kRows; ++i)
      std::fill_n(product.x.begin() + i * kInputs, kInputs, i % 2 == 0 ? 63.0f : -63.0f);
    PackedMatrix w = product.pack(WeightType::q8);
    w.set_row_bits(RowBits::seven);
    const std::vector<float> y = product.multiply(w, 1, false);
    for (int64_t i = 0; i < kRows; ++i) {
      for (int64_t j = 0; j < kOutputs; ++j) {
        double expected = 0.0;
        for (int64_t k = 0; k < kInputs; ++k) expected += product.x[i * kInputs + k] * product.weights[j * kInputs + k];
        ASSERT_EQ(y[i * kOutputs + j], static_cast<float>(expected)) << i << "," << j << " sum " << sum;
      }
    }
  }
}

// Whole sums of a block are exact, activations are off by half a step each, and the chain over blocks rounds.
TEST_P(QuantisedTest, ProductsStayWithinTheStepsOfActivations) {
  for (const Kind& kind : kKinds) {
    const Product product(14, 700, 45, 3);
    const PackedMatrix w = product.pack(kind);
    const std::vector<float> y = product.multiply(w);
    std::vector<float> row(static_cast<size_t>(product.inputs));
    for (int64_t j = 0; j < product.outputs; ++j) {
      w.unpack_row(j, row.data());
      for (int64_t i = 0; i < product.rows; ++i) {
        const float* x = product.x.data() + i * product.inputs;
        double sum = product.bias[j], bound = 0.0, magnitude = std::abs(sum);
        for (int64_t first = 0; first < product.inputs; first += kQuantBlock) {
          const int64_t last = std::min(first + kQuantBlock, product.inputs);
          float largest = 0.0f;
          for (int64_t k = first; k < last; ++k) largest = std::max(largest, std::abs(x[k]));
          for (int64_t k = first; k < last; ++k) {
            sum += static_cast<double>(x[k]) * row[k];
            magnitude += std::abs(static_cast<double>(x[k]) * row[k]);
            bound += 0.5001 * largest / kind.largest() * std::abs(row[k]);
          }
        }
        bound += 30.0 * kUnit * (magnitude + bound);
        ASSERT_NEAR(y[i * product.outputs + j], sum, bound) << kind << " at " << i << "," << j;
      }
    }
  }
}

TEST_P(QuantisedTest, GiveARowTheSameBitsInAnyCompany) {
  for (const Kind& kind : kKinds) {
    const Product product(67, 801, 101, 5);
    const PackedMatrix w = product.pack(kind);
    const std::vector<float> together = product.multiply(w, 2);
    ThreadPool pool(1);
    std::vector<float> y(static_cast<size_t>(product.rows * product.outputs));
    for (const int64_t step : {1, 2, 3, 5, 6, 7, 11, 12, 13, 16, 17, 18, 33, 40}) {
      for (int64_t begin = 0; begin < product.rows; begin += step)
        matmul(w, product.x.data() + begin * product.inputs, std::min(step, product.rows - begin), product.inputs,
               product.bias.data(), y.data() + begin * product.outputs, product.outputs, pool);
      ASSERT_EQ(y, together) << kind << ", " << step << " rows at a time";
    }
  }
}

TEST_P(QuantisedTest, GiveTheSameBitsForAnyNumberOfThreads) {
  for (const Kind& kind : kKinds) {
    for (const int64_t rows : {1, 50}) {
      const Product product(rows, 500, 333, 6);
      const PackedMatrix w = product.pack(kind);
      const std::vector<float> one = product.multiply(w, 1);
      for (const int threads : {2, 3, 5}) ASSERT_EQ(product.multiply(w, threads), one) << threads << " threads";
    }
  }
}

TEST_P(QuantisedTest, KeepANaNInItsOwnRowAndOutput) {
  for (const Kind& kind : kKinds) {
    Product product(20, 90, 40, 8);
    product.x[3 * 90 + 70] = std::numeric_limits<float>::quiet_NaN();
    product.x[5 * 90 + 1] = std::numeric_limits<float>::infinity();
    product.weights[7 * 90 + 19] = std::numeric_limits<float>::quiet_NaN();
    product.weights[8 * 90 + 80] = std::numeric_limits<float>::infinity();
    const std::vector<float> y = product.multiply(product.pack(kind));
    for (int64_t i = 0; i < 20; ++i) {
      for (int64_t j = 0; j < 40; ++j)
        ASSERT_EQ(std::isfinite(y[i * 40 + j]), i != 3 && i != 5 && j != 7 && j != 8) << i << "," << j;
    }
  }
}

TEST_P(QuantisedTest, ZerosAndTinyNumbersGiveZeros) {
  for (const Kind& kind : kKinds) {
    Product product(13, 130, 33, 9);
    std::fill(product.weights.begin(), product.weights.begin() + 130, 0.0f);
    std::fill(product.x.begin(), product.x.begin() + 130, 1e-39f);
    const std::vector<float> y = product.multiply(product.pack(kind), 1, false);
    for (int64_t j = 0; j < 33; ++j) EXPECT_EQ(y[j], 0.0f);
    for (int64_t i = 0; i < 13; ++i) EXPECT_EQ(y[i * 33], 0.0f);
    EXPECT_NE(y[33 + 1], 0.0f);
  }
}

// Of rows and weights that all have the largest quant, sums of two products in 16 bits come closest to their limit. One
// that overflowed would be off by its own size; steps of q4 are off by 3 in 100 here.
TEST_P(QuantisedTest, TheLargestQuantsDoNotOverflow) {
  for (const Kind& kind : kKinds) {
    Product product(20, 192, 33, 14);
    std::fill(product.x.begin(), product.x.end(), 1.0f);
    for (int64_t j = 0; j < 33; ++j) std::fill_n(product.weights.begin() + j * 192, 192, j % 2 == 0 ? 0.5f : -0.5f);
    const std::vector<float> y = product.multiply(product.pack(kind), 1, false);
    for (int64_t i = 0; i < 20; ++i)
      for (int64_t j = 0; j < 33; ++j) ASSERT_NEAR(y[i * 33 + j], j % 2 == 0 ? 96.0f : -96.0f, 4.0f) << kind;
  }
}

// Of the larger ones of a group's positive and negative quants, over all groups of a matrix.
int widest_group(const PackedMatrix& w) {
  const auto stored = w.stored();
  int widest = 0;
  for (size_t at = 0; at < stored.size(); at += kQ8RecordBytes) {
    const auto* quants = reinterpret_cast<const int8_t*>(stored.data() + at);
    for (int first = 0; first < kQuantQuads; first += kGroupQuads) {
      for (int pair = 0; pair < kQuadBytes; pair += 2) {
        int positive = 0, negative = 0;
        for (int quad = first; quad < first + kGroupQuads; ++quad) {
          for (const int quant : {quants[quad * kQuadBytes + pair], quants[quad * kQuadBytes + pair + 1]})
            (quant > 0 ? positive : negative) += quant;
        }
        widest = std::max({widest, positive, -negative});
      }
    }
  }
  return widest;
}

TEST(Quantised, GroupsOfQuantsAreBoundedForRowsOf7Bits) {
  for (unsigned seed = 30; seed < 40; ++seed) {
    Product product(1, 640, 64, seed);
    if (seed == 30) std::fill(product.weights.begin(), product.weights.end(), -0.3f);
    if (seed == 31) std::fill(product.weights.begin(), product.weights.end(), 1e30f);
    EXPECT_GT(widest_group(product.pack(WeightType::q8)), kMostOfGroup);
    EXPECT_LE(widest_group(product.pack(WeightType::q8, RowBits::seven)), kMostOfGroup) << seed;
    EXPECT_GT(widest_group(product.pack(WeightType::q8, RowBits::seven)), kMostOfGroup - 16) << seed;
  }
}

TEST(Quantised, StepsAreFineEnough) {
  const Product product(1, 640, 64, 12);
  for (const Kind& kind : kKinds) {
    const PackedMatrix w = product.pack(kind);
    std::vector<float> row(640);
    double error = 0.0, power = 0.0;
    for (int64_t j = 0; j < 64; ++j) {
      w.unpack_row(j, row.data());
      for (int64_t k = 0; k < 640; ++k) {
        error += std::pow(row[k] - product.weights[j * 640 + k], 2.0);
        power += std::pow(product.weights[j * 640 + k], 2.0);
      }
    }
    // Of normal weights. Blocks of 32 with one scale (llama.cpp's q8_0 and q4_0) leave 0.0053 and 0.086. Bounded groups
    // make steps 1.28 times as large.
    const double relative = std::sqrt(error / power);
    const double q8 = kind.bits == RowBits::seven ? 0.0078 : 0.0062;
    EXPECT_LT(relative, kind.type == WeightType::q8 ? q8 : 0.080) << kind;
    EXPECT_GT(relative, kind.type == WeightType::q8 ? 0.0040 : 0.060) << kind;
  }
}

TEST(Quantised, StoredBytesAreAdoptedAndChecked) {
  const Product product(4, 200, 70, 13);
  for (const WeightType type : kTypes) {
    const PackedMatrix w = product.pack(type);
    ASSERT_EQ(w.stored().size(), PackedMatrix::stored_size(70, 200, type));
    auto adopted = PackedMatrix::adopt(70, 200, type, w.stored(), nullptr);
    ASSERT_TRUE(adopted.ok());
    EXPECT_EQ(product.multiply(*adopted), product.multiply(w));
    EXPECT_EQ(PackedMatrix::adopt(70, 200, type, w.stored().subspan(64), nullptr).status().code(),
              StatusCode::invalid_argument);
    EXPECT_EQ(PackedMatrix::adopt(170, 200, type, w.stored(), nullptr).status().code(), StatusCode::invalid_argument);
  }
  EXPECT_FALSE(PackedMatrix::adopt(1, 1, WeightType::bf16, {}, nullptr).ok());
}

}  // namespace
}  // namespace azimuth::kernels
