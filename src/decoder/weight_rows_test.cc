// Recomputed attention weights against a softmax in f64.
#include "decoder/weight_rows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "base/rng.h"

namespace azimuth::decoder {
namespace {

constexpr int64_t kTokens = 150;  // three blocks of keys
constexpr int kHeads = 6;
constexpr int kKvHeads = 2;
constexpr int kHeadDim = 11;

Tensor random(const Shape& shape, uint64_t seed) {
  Tensor tensor(shape);
  for (int64_t i = 0; i < tensor.elements(); ++i) {
    tensor.data()[i] = static_cast<float>(4.0 * uniform(seed, 0, static_cast<uint64_t>(i)) - 2.0);
  }
  return tensor;
}

struct Setup {
  kernels::KvBlocks keys{kernels::KvRole::keys, kernels::CacheType::f32, kKvHeads, kHeadDim};
  kernels::KvBlocks values{kernels::KvRole::values, kernels::CacheType::f32, kKvHeads, kHeadDim};
  Tensor key_rows = random({kTokens, kKvHeads, kHeadDim}, 1);
  Tensor queries = random({kTokens, kHeads, kHeadDim}, 2);
  std::vector<kernels::KeyRange> ranges;
  std::vector<float> log_sum_exp = std::vector<float>(kTokens * kHeads);
  Tensor output{Shape({kTokens, kHeads, kHeadDim})};
  ThreadPool pool{2};
  kernels::AttentionArgs args;

  Setup(int64_t window, float soft_cap) {
    keys.append(key_rows.data(), kTokens, kKvHeads * kHeadDim);
    values.append(key_rows.data(), kTokens, kKvHeads * kHeadDim);
    for (int64_t i = 0; i < kTokens; ++i) ranges.push_back({std::max<int64_t>(0, i + 1 - window), i + 1});
    args.queries = queries.data();
    args.query_count = kTokens;
    args.query_stride = kHeads * kHeadDim;
    args.query_heads = kHeads;
    args.kv_heads = kKvHeads;
    args.head_dim = args.value_dim = kHeadDim;
    args.key_blocks = keys.blocks();
    args.value_blocks = values.blocks();
    args.ranges = ranges.data();
    args.scale = 0.7f;
    args.soft_cap = soft_cap;
    args.output = output.data();
    args.output_stride = kHeads * kHeadDim;
    args.log_sum_exp = log_sum_exp.data();
    kernels::attention(args, pool);
  }

  // Weights of one query and head over all keys.
  std::vector<double> expected(int64_t query, int64_t head) const {
    std::vector<double> weights(kTokens, 0.0);
    double sum = 0.0;
    const kernels::KeyRange& range = ranges[static_cast<size_t>(query)];
    for (int64_t key = range.begin; key < range.end; ++key) {
      double score = 0.0;
      for (int channel = 0; channel < kHeadDim; ++channel) {
        score += static_cast<double>(queries.data()[(query * kHeads + head) * kHeadDim + channel]) *
                 static_cast<double>(key_rows.data()[(key * kKvHeads + head / 3) * kHeadDim + channel]);
      }
      score *= static_cast<double>(args.scale);
      const auto cap = static_cast<double>(args.soft_cap);
      if (cap > 0.0) score = cap * std::tanh(score / cap);
      sum += weights[static_cast<size_t>(key)] = std::exp(score);
    }
    for (double& weight : weights) weight /= sum;
    return weights;
  }
};

void expect_softmax(int64_t window, float soft_cap) {
  Setup setup(window, soft_cap);
  Hooks hooks;
  hooks.wants_attention = [](const TapPoint& query) { return query.first_token % 7 == 3; };
  std::map<int64_t, std::vector<float>> shown;
  const Tap tap = [&](const TapPoint& point, const TensorView& tensor) {
    EXPECT_EQ(point.stage, Stage::attention);
    EXPECT_EQ(point.layer, 5);
    EXPECT_EQ(tensor.shape, Shape({kHeads, 1, kTokens}));
    const auto* values = reinterpret_cast<const float*>(tensor.data);
    shown[point.first_token] = {values, values + kHeads * kTokens};
  };
  RunContext context{setup.pool, &tap, nullptr, {}};
  context.hooks = &hooks;
  WeightRows rows(context, {Stage::attention, 5, 0, 1000}, kTokens, kHeads, kTokens);
  rows.recompute(setup.args);
  rows.show();
  size_t wanted = 0;
  for (int64_t query = 0; query < kTokens; ++query) {
    if ((1000 + query) % 7 != 3) continue;
    ++wanted;
    ASSERT_TRUE(shown.count(1000 + query));
    for (int64_t head = 0; head < kHeads; ++head) {
      const std::vector<double> expected = setup.expected(query, head);
      double sum = 0.0;
      for (int64_t key = 0; key < kTokens; ++key) {
        const auto found = static_cast<double>(shown[1000 + query][static_cast<size_t>(head * kTokens + key)]);
        // A score of up to 31 has an f32 error of up to 11 sums of 2^-24 * 31, which the exponential makes relative.
        EXPECT_NEAR(found, expected[static_cast<size_t>(key)], 4e-5 * expected[static_cast<size_t>(key)])
            << query << ", " << head << ", " << key;
        sum += found;
      }
      EXPECT_NEAR(sum, 1.0, 1e-5);
    }
  }
  EXPECT_EQ(shown.size(), wanted);
  EXPECT_GT(wanted, 20u);
}

TEST(WeightRows, EqualASoftmaxOverAllKeys) {
  expect_softmax(kTokens, 0.0f);
}
TEST(WeightRows, EqualASoftmaxInAWindow) {
  expect_softmax(37, 0.0f);
}
TEST(WeightRows, EqualASoftmaxOfCappedScores) {
  expect_softmax(kTokens, 3.0f);
}

TEST(WeightRows, NobodyAsksNothingIsKept) {
  ThreadPool pool{1};
  const RunContext context{pool, nullptr, nullptr, {}};
  WeightRows rows(context, {Stage::attention, 0, 0, 0}, 10, kHeads, 10);
  EXPECT_TRUE(rows.empty());
  EXPECT_EQ(rows.row(3), nullptr);
}

}  // namespace
}  // namespace azimuth::decoder
