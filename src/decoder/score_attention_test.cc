// The plain attention under a score term: against sums in f64, against the kernel, and where ranges and segments end.
#include "decoder/score_attention.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/rng.h"

namespace azimuth::decoder {
namespace {

// Changes nothing, or what a test asks for.
class TestTerm : public IdTerm {
 public:
  float product = 0.0f;  // times the key's cache index
  float bias = 0.0f;     // times the key's cache index
  std::optional<float> own_scale;
  std::optional<positions::SegmentMemory> memory;

  std::optional<float> scale() const override { return own_scale; }
  const positions::SegmentMemory* segments() const override { return memory ? &*memory : nullptr; }
  void add_products(const ScoreRow& row) const override { add(row, product); }
  void add_bias(const ScoreRow& row) const override { add(row, bias); }

 private:
  static void add(const ScoreRow& row, float factor) {
    for (CacheIndex key = row.keys.begin; key < row.keys.end; ++key) {
      row.scores[key - row.keys.begin] += factor * static_cast<float>(key);
    }
  }
};

Tensor random(const Shape& shape, uint64_t seed) {
  Tensor tensor(shape);
  for (int64_t i = 0; i < tensor.elements(); ++i) {
    tensor.data()[i] = static_cast<float>(4.0 * uniform(seed, 0, static_cast<uint64_t>(i)) - 2.0);
  }
  return tensor;
}

// 150 tokens over three blocks; four query heads on two KV heads; values wider than keys.
struct Fixture {
  static constexpr int64_t kTokens = 150;
  LayerSpec spec;
  LayerCache cache;
  Tensor queries;
  TestTerm term;
  ThreadPool pool{3};

  Fixture() {
    spec.heads = 4;
    spec.kv_heads = 2;
    spec.head_dim = 11;
    spec.value_dim = 13;
    spec.attention_scale = 0.4f;
    const Tensor keys = random({kTokens, 2, 11}, 1);
    const Tensor values = random({kTokens, 2, 13}, 2);
    queries = random({kTokens, 4, 11}, 3);
    cache.keys = kernels::KvBlocks(2, 11);
    cache.values = kernels::KvBlocks(2, 13);
    cache.state = kernels::KvBlocks(1, 1);
    cache.keys.append(keys.data(), kTokens, 22);
    cache.values.append(values.data(), kTokens, 26);
    const std::vector<float> ids(kTokens, 0.0f);
    cache.state.append(ids.data(), kTokens, 1);
  }

  // [kTokens, heads, value_dim]
  Tensor run(const std::vector<kernels::KeyRange>& ranges) {
    Tensor output({kTokens, spec.heads, spec.value_dim});
    score_attention({spec, term, 0, cache, 0, kTokens, queries.data(), output.data()}, ranges.data(), pool);
    return output;
  }

  // The same for one query and head in f64, channel by channel.
  std::vector<double> expected(int64_t query, int head, const kernels::KeyRange& range) const {
    const int kv_head = head / 2;
    const double scale = term.own_scale.value_or(spec.attention_scale);
    const double cap = spec.attention_soft_cap;
    std::vector<double> out(static_cast<size_t>(spec.value_dim));
    double sum = 0.0;
    for (int64_t key = range.begin; key < range.end; ++key) {
      double score = static_cast<double>(term.product) * static_cast<double>(key);
      for (int c = 0; c < spec.head_dim; ++c) {
        score += static_cast<double>(queries.row(query)[head * spec.head_dim + c]) * cache.key(kv_head, key)[c];
      }
      score *= scale;
      if (cap > 0.0) score = cap * std::tanh(score / cap);
      const double weight = std::exp(score + static_cast<double>(term.bias) * static_cast<double>(key));
      sum += weight;
      for (int c = 0; c < spec.value_dim; ++c) out[static_cast<size_t>(c)] += weight * cache.value(kv_head, key)[c];
    }
    for (double& channel : out) channel /= sum;
    return out;
  }

  void check(const std::vector<kernels::KeyRange>& ranges, const std::vector<kernels::KeyRange>& seen) {
    const Tensor output = run(ranges);
    for (int64_t query = 0; query < kTokens; ++query) {
      for (int head = 0; head < spec.heads; ++head) {
        const std::vector<double> wanted = expected(query, head, seen[static_cast<size_t>(query)]);
        for (int c = 0; c < spec.value_dim; ++c) {
          ASSERT_NEAR(output.row(query)[head * spec.value_dim + c], wanted[static_cast<size_t>(c)], 1e-5)
              << query << ", head " << head << ", channel " << c;
        }
      }
    }
  }
};

std::vector<kernels::KeyRange> causal(int64_t window = Fixture::kTokens) {
  std::vector<kernels::KeyRange> ranges;
  for (int64_t query = 0; query < Fixture::kTokens; ++query) {
    ranges.push_back({std::max<int64_t>(0, query - window + 1), query + 1});
  }
  return ranges;
}

TEST(ScoreAttention, EqualsTheKernelWhereATermAddsNothing) {
  Fixture setup;
  setup.spec.attention_soft_cap = 3.0f;
  const std::vector<kernels::KeyRange> ranges = causal(70);
  const Tensor output = setup.run(ranges);
  Tensor wanted({Fixture::kTokens, 4, 13});
  kernels::AttentionArgs args;
  args.queries = setup.queries.data();
  args.query_count = Fixture::kTokens;
  args.query_stride = 44;
  args.query_heads = 4;
  args.kv_heads = 2;
  args.head_dim = 11;
  args.value_dim = 13;
  kernels::KvBlocks keys(kernels::KvRole::keys, kernels::CacheType::f32, 2, 11);
  kernels::KvBlocks values(kernels::KvRole::values, kernels::CacheType::f32, 2, 13);
  for (int64_t token = 0; token < Fixture::kTokens; ++token) {
    std::vector<float> row(26);
    for (int head = 0; head < 2; ++head) setup.cache.keys.read(head, token, row.data() + head * 11);
    keys.append(row.data(), 1, 22);
    for (int head = 0; head < 2; ++head) setup.cache.values.read(head, token, row.data() + head * 13);
    values.append(row.data(), 1, 26);
  }
  args.key_blocks = keys.blocks();
  args.value_blocks = values.blocks();
  args.ranges = ranges.data();
  args.scale = setup.spec.attention_scale;
  args.soft_cap = setup.spec.attention_soft_cap;
  args.output = wanted.data();
  args.output_stride = 52;
  kernels::attention(args, setup.pool);
  for (int64_t i = 0; i < wanted.elements(); ++i) ASSERT_NEAR(output.data()[i], wanted.data()[i], 1e-5) << i;
}

TEST(ScoreAttention, ProductsAreScaledAndCappedAndTheBiasIsNot) {
  Fixture setup;
  setup.term.product = 0.03f;
  setup.term.bias = -0.02f;
  setup.check(causal(), causal());
  setup.spec.attention_soft_cap = 1.5f;
  setup.check(causal(), causal());
  setup.term.own_scale = 1.0f;
  setup.check(causal(), causal());
}

TEST(ScoreAttention, RangesAndSegmentsBothLimitWhatIsSeen) {
  Fixture setup;
  setup.term.bias = 0.01f;
  setup.check(causal(5), causal(5));
  setup.term.memory = positions::SegmentMemory{.segment = 20, .memory = 30};
  std::vector<kernels::KeyRange> seen = causal(25);
  for (kernels::KeyRange& range : seen) {
    const int64_t query = range.end - 1;
    range.begin = std::max(range.begin, query / 20 * 20 - 30);
  }
  setup.check(causal(25), seen);
}

TEST(ScoreAttention, AnEmptyRangeGivesZeros) {
  Fixture setup;
  std::vector<kernels::KeyRange> ranges = causal();
  ranges[7] = {7, 7};
  const Tensor output = setup.run(ranges);
  for (int c = 0; c < 52; ++c) EXPECT_EQ(output.row(7)[c], 0.0f);
  EXPECT_NE(output.row(8)[0], 0.0f);
}

// Keys and values that a query does not see may hold anything.
TEST(ScoreAttention, WhatIsNotSeenIsNotRead) {
  Fixture setup;
  const Tensor before = setup.run(causal());
  const std::vector<float> bad(26, std::numeric_limits<float>::quiet_NaN());
  setup.cache.keys.append(bad.data(), 1, 22);
  setup.cache.values.append(bad.data(), 1, 26);
  const Tensor after = setup.run(causal());
  for (int64_t i = 0; i < before.elements(); ++i) ASSERT_EQ(before.data()[i], after.data()[i]);
}

TEST(LayerCache, TruncationReachesBehindWhatKeysWereKept) {
  LayerCache cache;
  cache.keys = kernels::KvBlocks(1, 1);
  cache.values = kernels::KvBlocks(1, 1);
  cache.state = kernels::KvBlocks(1, 1);
  const std::vector<float> rows(10, 1.0f);
  cache.state.append(rows.data(), 10, 1);
  cache.first = 6;
  cache.keys.append(rows.data(), 4, 1);
  cache.values.append(rows.data(), 4, 1);
  EXPECT_EQ(cache.length(), 10);
  cache.truncate(LayerSpec{}, 8);
  EXPECT_EQ(cache.length(), 8);
  EXPECT_EQ(cache.keys.length(), 2);
  cache.truncate(LayerSpec{}, 3);
  EXPECT_EQ(cache.length(), 3);
  EXPECT_EQ(cache.keys.length(), 0);
  EXPECT_EQ(cache.state.length(), 3);
}

}  // namespace
}  // namespace azimuth::decoder
