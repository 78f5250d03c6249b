#include "base/float16.h"
#include "kernels/kv_blocks.h"
#include "kernels/levels_test.h"

namespace azimuth::kernels {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

const CacheType kTypes[] = {CacheType::f32, CacheType::bf16, CacheType::q8};

// One attention problem with its own memory; everything that no query may see starts as NaN.
struct Problem {
  int64_t queries, keys;
  int query_heads, kv_heads, head_dim, value_dim;
  CacheType type;
  float scale = 0.3f, soft_cap = 0.0f;
  std::vector<float> q;
  std::vector<float> key_rows, value_rows;  // [whole blocks of keys, kv_heads, dim]
  std::vector<KeyRange> ranges;

  Problem(int64_t query_count, int64_t key_count, int heads, int groups, int dim, int width, unsigned seed,
          CacheType cache = CacheType::f32)
      : queries(query_count),
        keys(key_count),
        query_heads(heads),
        kv_heads(groups),
        head_dim(dim),
        value_dim(width),
        type(cache) {
    Random random(seed);
    scale = 1.0f / std::sqrt(static_cast<float>(dim));
    q = random.normals(queries * query_heads * head_dim, 1.5f);
    const int64_t stored = (keys + kAttentionBlock - 1) / kAttentionBlock * kAttentionBlock;
    key_rows = random.normals(stored * kv_heads * head_dim, 1.5f);
    value_rows = random.normals(stored * kv_heads * value_dim);
    for (int64_t key = keys; key < stored; ++key) poison(key);
    ranges.assign(static_cast<size_t>(queries), KeyRange{0, keys});
  }

  void poison(int64_t index) {
    std::fill_n(key_rows.begin() + index * kv_heads * head_dim, kv_heads * head_dim, kNaN);
    std::fill_n(value_rows.begin() + index * kv_heads * value_dim, kv_heads * value_dim, kNaN);
  }

  struct Output {
    std::vector<float> values;       // [queries, query_heads, value_dim]
    std::vector<float> log_sum_exp;  // [queries, query_heads]
    bool operator==(const Output&) const = default;
  };

  KvBlocks stored_keys() const {
    KvBlocks blocks(KvRole::keys, type, kv_heads, head_dim);
    blocks.append(key_rows.data(), static_cast<int64_t>(key_rows.size()) / (kv_heads * head_dim), kv_heads * head_dim);
    return blocks;
  }
  KvBlocks stored_values() const {
    KvBlocks blocks(KvRole::values, type, kv_heads, value_dim);
    blocks.append(value_rows.data(), static_cast<int64_t>(value_rows.size()) / (kv_heads * value_dim),
                  kv_heads * value_dim);
    return blocks;
  }

  // The queries in chunks of `chunk`; without the blocks in `missing`.
  Output run(int64_t chunk, int threads, bool with_sums = true, const std::vector<size_t>& missing = {}) const {
    const KvBlocks key_blocks = stored_keys(), value_blocks = stored_values();
    std::vector<const std::byte*> keys_in = key_blocks.blocks(), values_in = value_blocks.blocks();
    for (const size_t block : missing) keys_in[block] = values_in[block] = nullptr;
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
      args.cache = type;
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

  // Compares with f64 on the numbers as they are stored, queries in bf16 where the cache is. A score is a chain of
  // head_dim products, and a soft cap (slope at most 1) adds a few units of c; a weight is off by the errors of two
  // scores, of their difference and of exp; a block adds one more factor; the sums are chains over the keys. Where
  // weights are rounded to bf16 (2^-9) exp need not be better (2^-13), and its argument is a difference of rounded
  // logarithms to base 2.
  void expect_close(const Output& out) const {
    const KvBlocks key_blocks = stored_keys(), value_blocks = stored_values();
    for (int64_t i = 0; i < queries; ++i)
      for (int h = 0; h < query_heads; ++h) expect_row_close(out, i, h, key_blocks, value_blocks);
  }

  void expect_row_close(const Output& out, int64_t i, int h, const KvBlocks& key_blocks,
                        const KvBlocks& value_blocks) const {
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
    std::vector<float> key(head_dim), value(value_dim);
    double score_error = 0.0;
    for (int64_t k = range.begin; k < range.end; ++k) {
      double sum = 0.0, magnitude = 0.0;
      key_blocks.read(kv, k, key.data());
      for (int d = 0; d < head_dim; ++d) {
        const float x = q[(i * query_heads + h) * head_dim + d];
        const double term = static_cast<double>(type == CacheType::f32 ? x : bf16_to_f32(f32_to_bf16(x))) * key[d];
        sum += term;
        magnitude += std::abs(term);
      }
      score_error = std::max(score_error, (head_dim + 4) * kUnit * magnitude * scale + 8 * kUnit * soft_cap);
      sum *= scale;
      scores.push_back(soft_cap > 0 ? soft_cap * std::tanh(sum / soft_cap) : sum);
    }
    const auto [lowest, highest] = std::minmax_element(scores.begin(), scores.end());
    double total = 0.0;
    for (const double score : scores) total += std::exp(score - *highest);
    const double keys_seen = static_cast<double>(scores.size());
    const double exp_error =
        type == CacheType::f32 ? 0.0 : 0x1p-12 + 4 * kUnit * (std::abs(*highest) + *highest - *lowest);
    const double weight_error =
        2 * score_error + exp_error + kUnit * (2 * (*highest - *lowest) + 8 * (keys_seen / kAttentionBlock + 2));
    const double rounding = type == CacheType::f32 ? 0.0 : 0x1p-8;
    ASSERT_NEAR(lse, *highest + std::log(total),
                score_error + weight_error + kUnit * (keys_seen + 2 * std::abs(*highest + std::log(total)) + 4));
    std::vector<double> sums(value_dim), magnitudes(value_dim);
    for (size_t k = 0; k < scores.size(); ++k) {
      value_blocks.read(kv, range.begin + static_cast<int64_t>(k), value.data());
      for (int j = 0; j < value_dim; ++j) {
        const double term = std::exp(scores[k] - *highest) / total * value[j];
        sums[j] += term;
        magnitudes[j] += std::abs(term);
      }
    }
    for (int j = 0; j < value_dim; ++j) {
      // The least weights are lost where subnormal numbers count as zero.
      ASSERT_NEAR(row[j], sums[j], (2 * weight_error + rounding + 2 * kUnit * (keys_seen + 4)) * magnitudes[j] + 1e-30)
          << "query " << i << " head " << h << " channel " << j << " of head_dim " << head_dim << ", cache "
          << to_string(type);
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
  for (const CacheType type : kTypes) {
    for (const int head_dim : {1, 5, 16, 33, 64, 72, 80, 96, 100, 112, 128, 200, 256, 512}) {
      Problem problem(19, 150, 4, 2, head_dim, head_dim, 100 + head_dim, type);
      problem.make_causal(1000);
      problem.expect_close(problem.run(19, 2));
    }
  }
}

TEST_P(AttentionTest, MatchesTheDefinitionWhereValuesAreNarrowerOrWider) {
  for (const CacheType type : kTypes) {
    for (const auto& [head_dim, value_dim] : {std::pair{96, 64}, {40, 72}, {7, 129}, {65, 1}}) {
      Problem problem(30, 130, 6, 3, head_dim, value_dim, 200 + value_dim, type);
      problem.expect_close(problem.run(30, 1));
    }
  }
}

TEST_P(AttentionTest, MatchesTheDefinitionForRandomRangesHeadsAndCaps) {
  Random random(31);
  for (unsigned seed = 0; seed < 60; ++seed) {
    const int kv_heads = static_cast<int>(random.integer(1, 3));
    const int query_heads = kv_heads * static_cast<int>(random.integer(1, 7));
    const int head_dim = static_cast<int>(random.integer(1, 90));
    Problem problem(random.integer(1, 60), random.integer(1, 300), query_heads, kv_heads, head_dim,
                    static_cast<int>(random.integer(1, 90)), 300 + seed, kTypes[seed / 4 % 3]);
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
  for (unsigned seed = 0; seed < 18; ++seed) {
    // Some are longer than one span of keys.
    Problem problem(70, seed % 6 >= 4 ? 1300 : 200, 6, seed % 2 ? 6 : 2, 20 + 13 * static_cast<int>(seed % 6), 33,
                    400 + seed, kTypes[seed / 6]);
    if (seed % 3 == 0) problem.make_causal(1000);
    if (seed % 3 == 1) problem.make_causal(37);
    if (seed % 3 == 2) problem.make_random(random);
    const Problem::Output whole = problem.run(70, 1);
    for (const int64_t chunk : {1, 3, 7, 12, 33, 64}) ASSERT_EQ(problem.run(chunk, 1), whole) << "chunk " << chunk;
    for (const int threads : {2, 3, 5}) ASSERT_EQ(problem.run(70, threads), whole) << threads << " threads";
  }
}

TEST_P(AttentionTest, KeepsAQueryApartFromKeysThatOnlyItsNeighboursSee) {
  for (const CacheType type : kTypes) {
    Problem problem(40, 190, 4, 2, 24, 40, 51, type);
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
}

// A value that is not finite reaches those who see it, even where its key is sound, and nobody else.
TEST_P(AttentionTest, HandsOnValuesThatAreNotFinite) {
  for (const CacheType type : kTypes) {
    std::vector<float> bad_values = {kNaN, std::numeric_limits<float>::infinity()};
    if (type == CacheType::bf16) bad_values.push_back(std::numeric_limits<float>::max());  // rounds to infinity
    for (const float bad : bad_values) {
      Problem problem(20, 90, 2, 1, 32, 16, 55, type);
      problem.make_causal(1000);
      problem.value_rows[80 * 16 + 3] = bad;
      const Problem::Output out = problem.run(20, 1);
      for (int64_t i = 0; i < 20; ++i)
        for (int64_t h = 0; h < 2; ++h)
          ASSERT_EQ(std::isfinite(out.values[(i * 2 + h) * 16 + 3]), problem.ranges[i].end <= 80) << "query " << i;
    }
  }
}

TEST_P(AttentionTest, NeverTouchesBlocksOutsideTheRanges) {
  for (const CacheType type : kTypes) {
    Problem problem(10, 400, 2, 2, 16, 16, 52, type);
    for (KeyRange& range : problem.ranges) range = {130, 250};
    EXPECT_EQ(problem.run(10, 1, true, {0, 1, 4, 5, 6}), problem.run(10, 1));
  }
}

TEST_P(AttentionTest, ChangesNoBitWhereTheLogSumExpIsAskedFor) {
  for (const CacheType type : kTypes) {
    Problem problem(33, 100, 3, 1, 48, 48, 53, type);
    EXPECT_EQ(problem.run(33, 1, true).values, problem.run(33, 1, false).values);
  }
}

TEST_P(AttentionTest, SurvivesScoresBeyondTheRangeOfExp) {
  for (const CacheType type : kTypes) {
    Problem problem(5, 70, 1, 1, 8, 8, 54, type);
    problem.scale = 40.0f;
    problem.expect_close(problem.run(5, 1));
  }
}

// A long cache is read in spans: what comes behind the first one counts as much, for one query and for many.
TEST_P(AttentionTest, MatchesTheDefinitionOverSeveralSpans) {
  for (const CacheType type : kTypes) {
    Problem problem(3, 2500, 4, 2, 64, 64, 56, type);
    problem.make_causal(1900);
    const Problem::Output out = problem.run(3, 1);
    problem.expect_close(out);
    EXPECT_EQ(problem.run(1, 4), out);
    EXPECT_EQ(problem.run(2, 3), out);
  }
}

// What a block reads back is what was written, to the precision of its type, in any order of appends.
TEST(KvBlocks, ReadsBackWhatWasAppended) {
  Random random(61);
  for (const CacheType type : kTypes) {
    for (const KvRole role : {KvRole::keys, KvRole::values}) {
      for (const int dim : {1, 15, 64, 72, 130}) {
        const std::vector<float> rows = random.normals(150 * 3 * dim);
        KvBlocks whole(role, type, 3, dim), pieces(role, type, 3, dim);
        whole.append(rows.data(), 150, 3 * dim);
        for (int64_t begin = 0; begin < 150; begin += 41)
          pieces.append(rows.data() + begin * 3 * dim, std::min<int64_t>(41, 150 - begin), 3 * dim);
        const KvBlocks before = pieces;
        pieces.truncate(100);
        const std::vector<float> other = random.normals(3 * dim);
        pieces.append(other.data(), 1, 3 * dim);
        std::vector<float> out(dim), same(dim);
        for (int64_t token = 0; token < 150; ++token) {
          for (int head = 0; head < 3; ++head) {
            const float* row = rows.data() + (token * 3 + head) * dim;
            whole.read(head, token, out.data());
            before.read(head, token, same.data());
            EXPECT_EQ(out, same);
            float most = 0.0f;
            for (int c = 0; c < dim; ++c) most = std::max(most, std::abs(row[c]));
            for (int c = 0; c < dim; ++c) {
              const float error = type == CacheType::f32    ? 0.0f
                                  : type == CacheType::bf16 ? std::abs(row[c]) / 256
                                                            : most / 253;
              ASSERT_NEAR(out[c], row[c], error) << to_string(type) << ", token " << token << ", channel " << c;
            }
          }
        }
        EXPECT_EQ(pieces.length(), 101);
      }
    }
  }
}

}  // namespace
}  // namespace azimuth::kernels
