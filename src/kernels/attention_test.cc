#include "kernels/levels_test.h"

namespace azimuth::kernels {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

// One attention problem with its own memory; everything that no query may see starts as NaN.
struct Problem {
  int64_t queries, keys;
  int query_heads, kv_heads, head_dim, value_dim;
  float scale = 0.3f, soft_cap = 0.0f;
  std::vector<float> q;
  std::vector<std::vector<float>> key_blocks, value_blocks;
  std::vector<KeyRange> ranges;

  Problem(int64_t query_count, int64_t key_count, int heads, int groups, int dim, int width, unsigned seed)
      : queries(query_count), keys(key_count), query_heads(heads), kv_heads(groups), head_dim(dim), value_dim(width) {
    Random random(seed);
    scale = 1.0f / std::sqrt(static_cast<float>(dim));
    q = random.normals(queries * query_heads * head_dim, 1.5f);
    for (int64_t block = 0; block * kAttentionBlock < keys; ++block) {
      key_blocks.push_back(random.normals(kv_heads * kAttentionBlock * head_dim, 1.5f));
      value_blocks.push_back(random.normals(kv_heads * kAttentionBlock * value_dim));
    }
    for (int64_t key = keys; key < static_cast<int64_t>(key_blocks.size()) * kAttentionBlock; ++key) poison(key);
    ranges.assign(static_cast<size_t>(queries), KeyRange{0, keys});
  }

  float* key(int64_t index, int head) {
    return key_blocks[index / kAttentionBlock].data() + (head * kAttentionBlock + index % kAttentionBlock) * head_dim;
  }
  float* value(int64_t index, int head) {
    return value_blocks[index / kAttentionBlock].data() +
           (head * kAttentionBlock + index % kAttentionBlock) * value_dim;
  }
  void poison(int64_t index) {
    for (int head = 0; head < kv_heads; ++head) {
      std::fill_n(key(index, head), head_dim, kNaN);
      std::fill_n(value(index, head), value_dim, kNaN);
    }
  }

  struct Output {
    std::vector<float> values;       // [queries, query_heads, value_dim]
    std::vector<float> log_sum_exp;  // [queries, query_heads]
    bool operator==(const Output&) const = default;
  };

  // The queries in chunks of `chunk`.
  Output run(int64_t chunk, int threads, bool with_sums = true) const {
    std::vector<const float*> keys_in, values_in;
    for (const auto& block : key_blocks) keys_in.push_back(block.data());
    for (const auto& block : value_blocks) values_in.push_back(block.data());
    Output out{std::vector<float>(queries * query_heads * value_dim, -1.0f),
               std::vector<float>(with_sums ? queries * query_heads : 0)};
    ThreadPool pool(threads);
    for (int64_t begin = 0; begin < queries; begin += chunk) {
      AttentionArgs args;
      args.query_stride = static_cast<int64_t>(query_heads) * head_dim;
      args.queries = q.data() + begin * args.query_stride;
      args.query_count = std::min(chunk, queries - begin);
      args.query_heads = query_heads;
      args.kv_heads = kv_heads;
      args.head_dim = head_dim;
      args.value_dim = value_dim;
      args.key_blocks = keys_in;
      args.value_blocks = values_in;
      args.ranges = ranges.data() + begin;
      args.scale = scale;
      args.soft_cap = soft_cap;
      args.output_stride = static_cast<int64_t>(query_heads) * value_dim;
      args.output = out.values.data() + begin * args.output_stride;
      args.log_sum_exp = with_sums ? out.log_sum_exp.data() + begin * query_heads : nullptr;
      attention(args, pool);
    }
    return out;
  }

  // Compares with f64. A score is a chain of head_dim products, and a soft cap (slope at most 1) adds a few units of c;
  // a weight is off by the errors of two scores, of their difference and of exp; a block adds one more factor; the sums
  // are chains over the keys.
  void expect_close(const Output& out) {
    for (int64_t i = 0; i < queries; ++i)
      for (int h = 0; h < query_heads; ++h) expect_row_close(out, i, h);
  }

  void expect_row_close(const Output& out, int64_t i, int h) {
    const KeyRange range = ranges[i];
    const float* row = out.values.data() + (i * query_heads + h) * value_dim;
    const float lse = out.log_sum_exp[i * query_heads + h];
    if (range.begin >= range.end) {
      for (int j = 0; j < value_dim; ++j) ASSERT_EQ(row[j], 0.0f);
      ASSERT_EQ(lse, -std::numeric_limits<float>::infinity());
      return;
    }
    const int kv = h / (query_heads / kv_heads);
    std::vector<double> scores;
    double score_error = 0.0;
    for (int64_t k = range.begin; k < range.end; ++k) {
      double sum = 0.0, magnitude = 0.0;
      for (int d = 0; d < head_dim; ++d) {
        const double term = static_cast<double>(q[(i * query_heads + h) * head_dim + d]) * key(k, kv)[d];
        sum += term;
        magnitude += std::abs(term);
      }
      score_error = std::max(score_error, (head_dim + 2) * kUnit * magnitude * scale + 8 * kUnit * soft_cap);
      sum *= scale;
      scores.push_back(soft_cap > 0 ? soft_cap * std::tanh(sum / soft_cap) : sum);
    }
    const auto [lowest, highest] = std::minmax_element(scores.begin(), scores.end());
    double total = 0.0;
    for (const double score : scores) total += std::exp(score - *highest);
    const double keys_seen = static_cast<double>(scores.size());
    const double weight_error =
        2 * score_error + kUnit * (2 * (*highest - *lowest) + 8 * (keys_seen / kAttentionBlock + 2));
    ASSERT_NEAR(lse, *highest + std::log(total),
                score_error + weight_error + kUnit * (keys_seen + 2 * std::abs(*highest + std::log(total)) + 4));
    for (int j = 0; j < value_dim; ++j) {
      double sum = 0.0, magnitude = 0.0;
      for (size_t k = 0; k < scores.size(); ++k) {
        const double term =
            std::exp(scores[k] - *highest) / total * value(range.begin + static_cast<int64_t>(k), kv)[j];
        sum += term;
        magnitude += std::abs(term);
      }
      ASSERT_NEAR(row[j], sum, (2 * weight_error + 2 * kUnit * (keys_seen + 4)) * magnitude)
          << "query " << i << " head " << h << " channel " << j << " of head_dim " << head_dim;
    }
  }

  void make_causal(int64_t window) {
    for (int64_t i = 0; i < queries; ++i) {
      const int64_t end = keys - queries + i + 1;
      ranges[i] = {std::max<int64_t>(0, end - window), end};
    }
  }

  void make_random(Random& random) {
    for (KeyRange& range : ranges) {
      range.begin = random.integer(0, keys);
      range.end = random.integer(0, 4) == 0 ? range.begin : random.integer(range.begin, keys);
    }
  }
};

class AttentionTest : public LevelTest {};
AZ_AT_EVERY_LEVEL(AttentionTest);

TEST_P(AttentionTest, MatchesTheDefinitionAtEveryHeadWidth) {
  for (const int head_dim : {1, 5, 16, 33, 64, 72, 80, 100, 128, 200, 512}) {
    Problem problem(19, 150, 4, 2, head_dim, head_dim, 100 + head_dim);
    problem.make_causal(1000);
    problem.expect_close(problem.run(19, 2));
  }
}

TEST_P(AttentionTest, MatchesTheDefinitionWhereValuesAreNarrowerOrWider) {
  for (const auto& [head_dim, value_dim] : {std::pair{96, 64}, {40, 72}, {7, 129}, {65, 1}}) {
    Problem problem(30, 130, 6, 3, head_dim, value_dim, 200 + value_dim);
    problem.expect_close(problem.run(30, 1));
  }
}

TEST_P(AttentionTest, MatchesTheDefinitionForRandomRangesHeadsAndCaps) {
  Random random(31);
  for (unsigned seed = 0; seed < 24; ++seed) {
    const int kv_heads = static_cast<int>(random.integer(1, 3));
    const int query_heads = kv_heads * static_cast<int>(random.integer(1, 7));
    const int head_dim = static_cast<int>(random.integer(1, 90));
    Problem problem(random.integer(1, 60), random.integer(1, 300), query_heads, kv_heads, head_dim,
                    static_cast<int>(random.integer(1, 90)), 300 + seed);
    if (seed % 3 == 0) problem.soft_cap = 5.0f;
    if (seed % 4 == 1 && problem.keys >= problem.queries)
      problem.make_causal(random.integer(1, 100));
    else
      problem.make_random(random);
    problem.expect_close(problem.run(problem.queries, 2));
  }
}

TEST_P(AttentionTest, GivesAQueryTheSameBitsInAnyChunkAndForAnyNumberOfThreads) {
  Random random(41);
  for (unsigned seed = 0; seed < 6; ++seed) {
    Problem problem(70, 200, 6, seed % 2 ? 6 : 2, 20 + 13 * static_cast<int>(seed), 33, 400 + seed);
    if (seed % 3 == 0) problem.make_causal(1000);
    if (seed % 3 == 1) problem.make_causal(37);
    if (seed % 3 == 2) problem.make_random(random);
    const Problem::Output whole = problem.run(70, 1);
    for (const int64_t chunk : {1, 3, 7, 12, 33, 64}) ASSERT_EQ(problem.run(chunk, 1), whole) << "chunk " << chunk;
    for (const int threads : {2, 3, 5}) ASSERT_EQ(problem.run(70, threads), whole) << threads << " threads";
  }
}

TEST_P(AttentionTest, KeepsAQueryApartFromKeysThatOnlyItsNeighboursSee) {
  Problem problem(40, 190, 4, 2, 24, 40, 51);
  problem.make_causal(90);
  const Problem::Output clean = problem.run(40, 1);
  Problem poisoned = problem;
  for (const int64_t key : {60, 63, 64, 130, 171}) poisoned.poison(key);
  const Problem::Output out = poisoned.run(40, 1);
  for (int64_t i = 0; i < 40; ++i) {
    bool sees_nan = false;
    for (const int64_t key : {60, 63, 64, 130, 171})
      sees_nan |= problem.ranges[i].begin <= key && key < problem.ranges[i].end;
    for (int64_t j = 0; j < 4 * 40; ++j) {
      if (sees_nan)
        ASSERT_TRUE(std::isnan(out.values[i * 160 + j])) << "query " << i;
      else
        ASSERT_EQ(out.values[i * 160 + j], clean.values[i * 160 + j]) << "query " << i;
    }
  }
}

TEST_P(AttentionTest, NeverTouchesBlocksOutsideTheRanges) {
  Problem problem(10, 400, 2, 2, 16, 16, 52);
  for (KeyRange& range : problem.ranges) range = {130, 250};
  const Problem::Output before = problem.run(10, 1);
  Problem cut = problem;
  for (const int block : {0, 1, 4, 5, 6}) {
    cut.key_blocks[block].clear();
    cut.key_blocks[block].shrink_to_fit();
    cut.value_blocks[block].clear();
    cut.value_blocks[block].shrink_to_fit();
  }
  EXPECT_EQ(cut.run(10, 1), before);
}

TEST_P(AttentionTest, ChangesNoBitWhereTheLogSumExpIsAskedFor) {
  Problem problem(33, 100, 3, 1, 48, 48, 53);
  EXPECT_EQ(problem.run(33, 1, true).values, problem.run(33, 1, false).values);
}

TEST_P(AttentionTest, SurvivesScoresBeyondTheRangeOfExp) {
  Problem problem(5, 70, 1, 1, 8, 8, 54);
  problem.scale = 40.0f;
  problem.expect_close(problem.run(5, 1));
}

}  // namespace
}  // namespace azimuth::kernels
