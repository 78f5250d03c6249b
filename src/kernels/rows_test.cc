#include "kernels/levels_test.h"

namespace azimuth::kernels {
namespace {

class RowsTest : public LevelTest {};
AZ_AT_EVERY_LEVEL(RowsTest);

constexpr int64_t kWidths[] = {1, 2, 7, 16, 31, 64, 65, 300, 1152, 4097};

// The sum of squares has only positive terms: its relative error is at most one unit per addition in a lane (a
// sixteenth of the width or fewer) and per level of the final tree; scaling rounds a few more times.
double norm_units(int64_t width) {
  return static_cast<double>(width) / 8 + 16;
}

TEST_P(RowsTest, RmsNormMatchesItsDefinition) {
  Random random(1);
  ThreadPool pool(2);
  for (const int64_t width : kWidths) {
    constexpr int64_t kRows = 5;
    const std::vector<float> x = random.normals(kRows * width, 4.0f);
    const std::vector<float> weight = random.normals(width);
    for (const bool weighted : {true, false}) {
      std::vector<float> y(x.size());
      rms_norm(x.data(), kRows, width, width, weighted ? weight.data() : nullptr, 1e-6f, y.data(), width, pool);
      for (int64_t i = 0; i < kRows; ++i) {
        double squares = 0.0;
        for (int64_t j = 0; j < width; ++j) squares += std::pow(static_cast<double>(x[i * width + j]), 2);
        const double scale = 1.0 / std::sqrt(squares / static_cast<double>(width) + 1e-6f);
        for (int64_t j = 0; j < width; ++j) {
          const double expected = x[i * width + j] * scale * (weighted ? weight[j] : 1.0f);
          ASSERT_NEAR(y[i * width + j], expected, norm_units(width) * kUnit * std::abs(expected)) << "width " << width;
        }
      }
    }
  }
}

// Each channel is two chains of at most key_dim multiply-adds.
TEST_P(RowsTest, DeltaStepMatchesItsDefinition) {
  Random random(21);
  for (const int value_dim : {1, 7, 16, 31, 128, 200}) {
    for (const int key_dim : {1, 5, 64, 128}) {
      const std::vector<float> query = random.normals(key_dim), key = random.normals(key_dim, 0.2f);
      const std::vector<float> value = random.normals(value_dim);
      const std::vector<float> before = random.normals(int64_t{key_dim} * value_dim);
      std::vector<float> memory = before, scratch(value_dim), out(value_dim);
      const float fade = 0.875f, write = 0.3f;
      delta_step({key_dim, value_dim, query.data(), key.data(), value.data(), fade, write, memory.data(),
                  scratch.data(), out.data()});
      for (int v = 0; v < value_dim; ++v) {
        double recalled = 0.0, read = 0.0, size = std::abs(value[v]);
        for (int k = 0; k < key_dim; ++k) {
          recalled += static_cast<double>(before[k * value_dim + v]) * fade * key[k];
          size += std::abs(static_cast<double>(before[k * value_dim + v]) * fade * key[k]);
        }
        double read_size = 0.0;
        for (int k = 0; k < key_dim; ++k) {
          const double change = key[k] * (value[v] - recalled) * write;
          const double now = static_cast<double>(before[k * value_dim + v]) * fade + change;
          const double bound = (key_dim + 6) * kUnit * (std::abs(now) + std::abs(key[k]) * size);
          ASSERT_NEAR(memory[k * value_dim + v], now, bound);
          read += now * query[k];
          read_size += std::abs(query[k]) * (std::abs(now) + std::abs(key[k]) * size);
        }
        ASSERT_NEAR(out[v], read, (2 * key_dim + 8) * kUnit * read_size) << key_dim << " x " << value_dim;
      }
    }
  }
}

TEST_P(RowsTest, ProductsAreAddedElementByElement) {
  Random random(22);
  for (const int64_t width : kWidths) {
    const std::vector<float> x = random.normals(width), w = random.normals(width), before = random.normals(width);
    std::vector<float> y = before;
    add_products(x.data(), w.data(), width, y.data());
    for (int64_t j = 0; j < width; ++j) {
      const double expected = static_cast<double>(x[j]) * w[j] + before[j];
      ASSERT_NEAR(y[j], expected, 2 * kUnit * (std::abs(static_cast<double>(x[j]) * w[j]) + std::abs(before[j])));
    }
  }
}

TEST_P(RowsTest, LayerNormMatchesItsDefinition) {
  Random random(2);
  ThreadPool pool(2);
  for (const int64_t width : kWidths) {
    constexpr int64_t kRows = 3;
    std::vector<float> x = random.normals(kRows * width, 2.0f);
    for (float& value : x) value += 3.0f;
    const std::vector<float> weight = random.normals(width);
    const std::vector<float> bias = random.normals(width);
    for (const bool affine : {true, false}) {
      std::vector<float> y(x.size());
      layer_norm(x.data(), kRows, width, width, affine ? weight.data() : nullptr, affine ? bias.data() : nullptr, 1e-5f,
                 y.data(), width, pool);
      for (int64_t i = 0; i < kRows; ++i) {
        double sum = 0.0, magnitude = 0.0, squares = 0.0;
        for (int64_t j = 0; j < width; ++j) sum += x[i * width + j];
        for (int64_t j = 0; j < width; ++j) magnitude += std::abs(x[i * width + j]);
        const double mean = sum / static_cast<double>(width);
        for (int64_t j = 0; j < width; ++j) squares += std::pow(x[i * width + j] - mean, 2);
        const double scale = 1.0 / std::sqrt(squares / static_cast<double>(width) + 1e-5f);
        // The mean's own error moves every element alike; that of the scale is relative.
        const double mean_error = norm_units(width) * kUnit * magnitude / static_cast<double>(width);
        for (int64_t j = 0; j < width; ++j) {
          const double normal = (x[i * width + j] - mean) * scale;
          const double w = affine ? weight[j] : 1.0f;
          const double expected = normal * w + (affine ? bias[j] : 0.0f);
          const double bound = 2 * mean_error * scale * std::abs(w) + norm_units(width) * kUnit * std::abs(normal * w) +
                               2 * kUnit * (std::abs(expected) + std::abs(affine ? bias[j] : 0.0f)) + 1e-30;
          ASSERT_NEAR(y[i * width + j], expected, bound) << "width " << width;
        }
      }
    }
  }
}

TEST_P(RowsTest, NormsWorkInPlaceOnStridedRowsAndForAnyThreads) {
  constexpr int64_t kRows = 700, kWidth = 75, kStride = 80;
  const std::vector<float> x = Random(3).normals(kRows * kStride);
  const std::vector<float> weight = Random(4).normals(kWidth);
  std::vector<float> first;
  for (const int threads : {1, 2, 3, 5}) {
    ThreadPool pool(threads);
    std::vector<float> y = x;
    rms_norm(y.data(), kRows, kWidth, kStride, weight.data(), 1e-6f, y.data(), kStride, pool);
    layer_norm(y.data(), kRows, kWidth, kStride, weight.data(), weight.data(), 1e-6f, y.data(), kStride, pool);
    for (int64_t i = 0; i < kRows; ++i)
      for (int64_t j = kWidth; j < kStride; ++j) ASSERT_EQ(y[i * kStride + j], x[i * kStride + j]);
    if (first.empty()) first = y;
    ASSERT_EQ(y, first) << threads << " threads";
  }
}

double exact(Activation activation, double x) {
  switch (activation) {
    case Activation::gelu_erf: return 0.5 * x * std::erfc(-x * std::sqrt(0.5));
    case Activation::gelu_tanh: {
      const double y = std::sqrt(2.0 / std::acos(-1.0)) * (x + 0.044715 * x * x * x);
      return x / (1.0 + std::exp(-2.0 * y));
    }
    case Activation::quick_gelu: return x / (1.0 + std::exp(-1.702 * x));
    case Activation::silu: return x / (1.0 + std::exp(-x));
    case Activation::relu: return std::max(0.0, x);
  }
  return 0.0;
}

constexpr Activation kActivations[] = {Activation::gelu_erf, Activation::gelu_tanh, Activation::quick_gelu,
                                       Activation::silu, Activation::relu};

std::vector<float> sweep() {
  std::vector<float> values = {0.0f, -0.0f, 1e-30f, -1e-30f, 200.0f, -200.0f, 1e20f, -1e20f};
  for (int i = -4000; i <= 4000; ++i) values.push_back(static_cast<float>(i) * 0.00371f);
  for (float x = 1e-8f; x < 100.0f; x *= 1.37f) values.insert(values.end(), {x, -x});
  return values;
}

// act(x) = x g(x) with 0 <= g <= 1. The argument t of exp, tanh or erfc is off by at most 4 units of t, and |t g'(t)|
// stays under 1/2 for all of them; exp, tanh and erfc themselves by 4, sum, quotient and product by one each.
TEST_P(RowsTest, ActivationsStayWithinTenUnits) {
  const std::vector<float> x = sweep();
  ThreadPool pool(1);
  for (const Activation activation : kActivations) {
    std::vector<float> y = x;
    activate(activation, y.data(), static_cast<int64_t>(y.size()), pool);
    for (size_t i = 0; i < x.size(); ++i)
      ASSERT_NEAR(y[i], exact(activation, x[i]), 10 * kUnit * std::abs(x[i]) + 1e-37)
          << to_string(activation) << " of " << x[i];
  }
}

TEST_P(RowsTest, ActivationsKeepNaNAndInfinity) {
  ThreadPool pool(1);
  for (const Activation activation : kActivations) {
    float x[] = {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()};
    activate(activation, x, 2, pool);
    EXPECT_TRUE(std::isnan(x[0])) << to_string(activation);
    EXPECT_EQ(x[1], std::numeric_limits<float>::infinity()) << to_string(activation);
  }
}

TEST_P(RowsTest, ActivationsGiveTheSameBitsAtAnyPlaceAndGatedIsTheProduct) {
  const std::vector<float> x = sweep();
  const std::vector<float> up = Random(5).normals(static_cast<int64_t>(x.size()));
  ThreadPool pool(1);
  ThreadPool pool3(3);
  for (const Activation activation : kActivations) {
    std::vector<float> whole = x, pieces = x, gated = x;
    activate(activation, whole.data(), static_cast<int64_t>(x.size()), pool3);
    activate_gated(activation, gated.data(), up.data(), static_cast<int64_t>(x.size()), pool3);
    size_t length = 1;
    for (size_t i = 0; i < x.size(); i += length, length = length % 37 + 1)
      activate(activation, pieces.data() + i, static_cast<int64_t>(std::min(length, x.size() - i)), pool);
    ASSERT_EQ(pieces, whole) << to_string(activation);
    for (size_t i = 0; i < x.size(); ++i) ASSERT_EQ(gated[i], whole[i] * up[i]) << to_string(activation);
  }
}

TEST_P(RowsTest, AddAddsAnyCount) {
  ThreadPool pool(2);
  for (const int64_t count : {0, 1, 15, 16, 33, 40000}) {
    const std::vector<float> x = Random(6).normals(count);
    const std::vector<float> y = Random(7).normals(count);
    std::vector<float> sum = x;
    add(sum.data(), y.data(), count, pool);
    for (int64_t i = 0; i < count; ++i) ASSERT_EQ(sum[i], x[i] + y[i]);
  }
}

TEST_P(RowsTest, RotateTurnsItsChannelsAndNoOthers) {
  ThreadPool pool(2);
  constexpr int64_t kRows = 9;
  for (const bool halves : {true, false}) {
    for (const int pairs : {1, 5, 16, 36, 64}) {
      for (const int table_heads : {1, 2}) {
        const int heads = 4, head_dim = 2 * pairs + 3;
        const int64_t stride = heads * head_dim + 5;
        const std::vector<float> before = Random(8).normals(kRows * stride);
        const std::vector<float> cosines = Random(9).normals(kRows * table_heads * pairs);
        const std::vector<float> sines = Random(10).normals(kRows * table_heads * pairs);
        std::vector<float> expected = before;
        for (int64_t i = 0; i < kRows; ++i) {
          for (int h = 0; h < heads; ++h) {
            for (int p = 0; p < pairs; ++p) {
              const int64_t at = i * stride + h * head_dim + (halves ? p : 2 * p);
              const int64_t partner = at + (halves ? pairs : 1);
              const int64_t angle = (i * table_heads + h / (heads / table_heads)) * pairs + p;
              expected[at] = before[at] * cosines[angle] - before[partner] * sines[angle];
              expected[partner] = before[partner] * cosines[angle] + before[at] * sines[angle];
            }
          }
        }
        std::vector<float> x = before;
        rotate(x.data(), kRows, heads, head_dim, stride, cosines.data(), sines.data(), pairs, table_heads, halves,
               pool);
        ASSERT_EQ(x, expected) << pairs << (halves ? " halves" : " neighbours");
      }
    }
  }
}

// Differences d to the maximum round once and exp is off by 4 units; sums are f64. Weighted by exp(d), an error of
// |d| units never exceeds half a unit of the sum per element and is far below it for most.
TEST_P(RowsTest, LogSumExpAndEntropyMatchTheirDefinition) {
  ThreadPool pool(2);
  for (const int64_t width : {1, 3, 16, 100, 5003}) {
    for (const float temperature : {1.0f, 0.7f, 3.0f}) {
      constexpr int64_t kRows = 3;
      std::vector<float> logits = Random(11).normals(kRows * width, 4.0f);
      if (width > 3) logits[1] = -std::numeric_limits<float>::infinity();
      double lse[kRows], entropy[kRows], alone[kRows];
      log_sum_exp(logits.data(), kRows, width, width, temperature, lse, entropy, pool);
      log_sum_exp(logits.data(), kRows, width, width, temperature, alone, nullptr, pool);
      for (int64_t i = 0; i < kRows; ++i) {
        ASSERT_EQ(lse[i], alone[i]);
        double highest = -INFINITY, sum = 0.0, expected_entropy = 0.0, spread = 0.0;
        for (int64_t j = 0; j < width; ++j) highest = std::max(highest, static_cast<double>(logits[i * width + j]));
        for (int64_t j = 0; j < width; ++j) sum += std::exp((logits[i * width + j] - highest) / temperature);
        const double expected = highest / temperature + std::log(sum);
        for (int64_t j = 0; j < width; ++j) {
          const double log_p = logits[i * width + j] / static_cast<double>(temperature) - expected;
          if (std::isinf(log_p)) continue;
          expected_entropy -= std::exp(log_p) * log_p;
          spread += std::exp(log_p) * (log_p * log_p + std::abs(log_p));
        }
        ASSERT_NEAR(lse[i], expected, kUnit * (8 + 4 * expected_entropy));
        ASSERT_NEAR(entropy[i], expected_entropy, kUnit * (8 + 8 * expected_entropy + 8 * spread));
      }
    }
  }
}

TEST_P(RowsTest, LogSumExpOfNothingIsMinusInfinity) {
  ThreadPool pool(1);
  const std::vector<float> logits(40, -std::numeric_limits<float>::infinity());
  double lse = 0.0, entropy = 1.0;
  log_sum_exp(logits.data(), 1, 40, 40, 1.0f, &lse, &entropy, pool);
  EXPECT_EQ(lse, -std::numeric_limits<double>::infinity());
  EXPECT_EQ(entropy, 0.0);
}

TEST_P(RowsTest, ArgmaxPrefersTheFirstOfEquals) {
  Random random(12);
  for (int64_t width = 1; width < 200; ++width) {
    std::vector<float> x;
    for (int64_t j = 0; j < width; ++j) x.push_back(static_cast<float>(random.integer(-20, 20)));
    EXPECT_EQ(argmax(x.data(), width), std::max_element(x.begin(), x.end()) - x.begin());
  }
  const std::vector<float> nothing(70, -std::numeric_limits<float>::infinity());
  EXPECT_EQ(argmax(nothing.data(), 70), 0);
  std::vector<float> with_nan(70, std::numeric_limits<float>::quiet_NaN());
  with_nan[0] = -5.0f;
  with_nan[33] = -3.0f;
  EXPECT_EQ(argmax(with_nan.data(), 70), 33);
}

}  // namespace
}  // namespace azimuth::kernels
