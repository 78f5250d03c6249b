// Additive position encodings against tables.absolute_relative of tests/golden/positions/vectors.json, most of which
// the published implementations wrote (each entry's "mark" and "from" say which). The tolerance is the file's own:
// 1e-6.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>

#include "positions/embedding/learned.h"
#include "positions/embedding/sinusoidal.h"
#include "positions/score/alibi_slopes.h"
#include "positions/score/relative_index.h"
#include "positions/score/running_slope.h"
#include "positions/score/segment_memory.h"
#include "positions/score/t5_buckets.h"

namespace azimuth::positions {
namespace {

using nlohmann::json;
constexpr double kTolerance = 1e-6;

const json& tables() {
  static const json all =
      json::parse(std::ifstream(std::string(AZIMUTH_SOURCE_DIR) + "/tests/golden/positions/vectors.json"));
  return all["tables"]["absolute_relative"];
}

std::vector<float> numbers(const json& list) {
  return list.get<std::vector<float>>();
}

float dot(const std::vector<float>& a, const std::vector<float>& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0f);
}

// The tests below are all of the section: an entry that is added needs a test.
TEST(AdditiveVectors, EveryEntryHasATest) {
  std::set<std::string> kinds;
  for (const auto& [name, entry] : tables().items()) {
    kinds.insert(name.starts_with("alibi_slopes_") ? "alibi_slopes" : name);
  }
  EXPECT_EQ(kinds, (std::set<std::string>{"sinusoidal_vaswani", "sinusoidal_transformer_xl", "sinusoidal_tensor2tensor",
                                          "sinusoidal_cora", "transformer_xl_rel_shift", "transformer_xl_scores",
                                          "t5_buckets_32_128", "alibi_slopes", "alibi_bias_heads2_L4",
                                          "shaw_relative_key", "cable_bias"}));
}

class Sinusoids : public ::testing::TestWithParam<const char*> {};

TEST_P(Sinusoids, EqualTheVectors) {
  const json& entry = tables()[std::string("sinusoidal_") + GetParam()];
  const int width = entry["dim"];
  const Result<Sinusoid> sinusoid = Sinusoid::create(*parse_sinusoid_kind(GetParam()), width);
  ASSERT_TRUE(sinusoid.ok());
  const std::vector<float> positions = numbers(entry["positions"]);
  for (size_t i = 0; i < positions.size(); ++i) {
    std::vector<float> row(static_cast<size_t>(width));
    sinusoid->write(positions[i], row.data());
    for (size_t channel = 0; channel < row.size(); ++channel) {
      EXPECT_NEAR(row[channel], entry["values"][i][channel].get<float>(), kTolerance)
          << positions[i] << ", " << channel;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, Sinusoids, ::testing::Values("vaswani", "transformer_xl", "tensor2tensor", "cora"),
                         [](const auto& each) { return std::string(each.param); });

TEST(Sinusoidal, AddsTheVectorOfIdPlusOffsetAndReadsTheStride) {
  const Sinusoid sinusoid = *Sinusoid::create(SinusoidKind::vaswani, 6);
  const std::vector<float> ids = {3.0f, -1.0f, 4.5f, -1.0f};  // two axes; the first counts
  std::vector<float> rows(12, 10.0f);
  ASSERT_TRUE(SinusoidalEmbedding(sinusoid, 2.0f).add(ids.data(), 2, 2, rows.data()).ok());
  for (size_t token = 0; token < 2; ++token) {
    std::vector<float> expected(6);
    sinusoid.write(ids[2 * token] + 2.0f, expected.data());
    for (size_t channel = 0; channel < 6; ++channel)
      EXPECT_FLOAT_EQ(rows[6 * token + channel], 10.0f + expected[channel]);
  }
}

TEST(Sinusoidal, PadsOddWidthsWhereTheKindDoesAndRefusesThemElsewhere) {
  std::vector<float> row(7, 5.0f);
  Sinusoid::create(SinusoidKind::cora, 7)->write(1.0f, row.data());
  EXPECT_EQ(row[6], 0.0f);
  EXPECT_FLOAT_EQ(row[3], std::cos(1.0f));
  EXPECT_FALSE(Sinusoid::create(SinusoidKind::vaswani, 7).ok());
  EXPECT_FALSE(Sinusoid::create(SinusoidKind::transformer_xl, 7).ok());
  EXPECT_FALSE(Sinusoid::create(SinusoidKind::tensor2tensor, 3).ok());  // its exponent would divide by zero
  EXPECT_FALSE(parse_sinusoid_kind("rotary").ok());
}

// [rows, 2] with row r = (r, -r).
std::shared_ptr<const Tensor> ramp(int64_t rows) {
  auto table = std::make_shared<Tensor>(Shape({rows, 2}));
  for (int64_t r = 0; r < rows; ++r) {
    table->row(r)[0] = static_cast<float>(r);
    table->row(r)[1] = static_cast<float>(-r);
  }
  return table;
}

float first_channel(const LearnedEmbedding& embedding, float id) {
  std::vector<float> row(2, 0.0f);
  const Status status = embedding.add(&id, 1, 1, row.data());
  EXPECT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(row[0], -row[1]);
  return row[0];
}

TEST(Learned, ReadsRowsBehindTheOffset) {
  const LearnedEmbedding embedding = *LearnedEmbedding::create(ramp(12), {.offset = 2});
  EXPECT_EQ(first_channel(embedding, 0.0f), 2.0f);
  EXPECT_EQ(first_channel(embedding, 9.0f), 11.0f);
}

TEST(Learned, AnIdWithoutARowIsAnErrorAndChangesNothing) {
  const LearnedEmbedding embedding = *LearnedEmbedding::create(ramp(12), {.offset = 2});
  for (const float id : {10.0f, -1.0f, -2.0f, 1e9f}) {
    const std::vector<float> ids = {0.0f, id};
    std::vector<float> rows(4, 7.0f);
    EXPECT_EQ(embedding.add(ids.data(), 1, 2, rows.data()).code(), StatusCode::out_of_range) << id;
    EXPECT_EQ(rows, std::vector<float>(4, 7.0f));
  }
  const float half = 0.5f;
  std::vector<float> row(2, 0.0f);
  EXPECT_EQ(embedding.add(&half, 1, 1, row.data()).code(), StatusCode::invalid_argument);
  EXPECT_FALSE(LearnedEmbedding::create(ramp(12), {.offset = 12}).ok());
  EXPECT_FALSE(LearnedEmbedding::create(ramp(12), {.offset = -1}).ok());
}

// First row on first position, last on last: 5 rows stretched to 9 positions are read every half row.
TEST(Learned, StretchesTheTableLinearly) {
  const LearnedEmbedding embedding = *LearnedEmbedding::create(ramp(7), {.offset = 2, .interpolate = 9});
  for (int position = 0; position < 9; ++position) {
    EXPECT_FLOAT_EQ(first_channel(embedding, static_cast<float>(position)), 2.0f + 0.5f * static_cast<float>(position));
  }
  EXPECT_FLOAT_EQ(first_channel(embedding, 2.5f), 3.25f);
  const float beyond = 9.0f;
  std::vector<float> row(2, 0.0f);
  EXPECT_EQ(embedding.add(&beyond, 1, 1, row.data()).code(), StatusCode::out_of_range);
  EXPECT_FALSE(LearnedEmbedding::create(ramp(7), {.offset = 2, .interpolate = 4}).ok());
}

TEST(T5, BucketsEqualTheVectors) {
  const json& entry = tables()["t5_buckets_32_128"];
  const T5Buckets causal = *T5Buckets::create({entry["num_buckets"], entry["max_distance"], false});
  const T5Buckets both = *T5Buckets::create({entry["num_buckets"], entry["max_distance"], true});
  const auto relative = entry["relative"].get<std::vector<int64_t>>();
  ASSERT_GT(relative.size(), 50u);
  for (size_t i = 0; i < relative.size(); ++i) {
    EXPECT_EQ(causal.bucket(relative[i]), entry["causal"][i].get<int>()) << relative[i];
    EXPECT_EQ(both.bucket(relative[i]), entry["bidirectional"][i].get<int>()) << relative[i];
  }
}

// Where transformers' own function changes the bucket, for settings other than the published one as well.
TEST(T5, BucketsChangeWhereTheReferenceChangesThem) {
  const json cases =
      json::parse(std::ifstream(std::string(AZIMUTH_SOURCE_DIR) + "/tests/golden/additive/t5_buckets.json"));
  ASSERT_GE(cases.size(), 16u);
  for (const json& entry : cases) {
    SCOPED_TRACE(entry.dump().substr(0, 60));
    const int64_t distance = entry["distance"];
    const T5Buckets t5 = *T5Buckets::create({entry["buckets"], distance, entry["bidirectional"]});
    size_t next = 0;
    int expected = -1;
    for (int64_t relative = -2 * distance - 5; relative <= 2 * distance + 5; ++relative) {
      if (next < entry["changes"].size() && entry["changes"][next][0] == relative)
        expected = entry["changes"][next++][1];
      ASSERT_EQ(t5.bucket(relative), expected) << relative;
    }
    EXPECT_EQ(next, entry["changes"].size());
  }
}

TEST(T5, NoDistanceLeavesTheTable) {
  for (const int buckets : {4, 6, 8, 32, 64}) {
    for (const bool bidirectional : {false, true}) {
      const T5Buckets t5 = *T5Buckets::create({buckets, 100, bidirectional});
      for (const int64_t relative : {int64_t{-(1 << 24)}, int64_t{-101}, int64_t{0}, int64_t{101}, int64_t{1} << 24}) {
        EXPECT_GE(t5.bucket(relative), 0);
        EXPECT_LT(t5.bucket(relative), buckets);
      }
    }
  }
}

// The logarithmic buckets would have no distance, or fewer than none.
TEST(T5, RefusesBucketsThatLeaveNoRoom) {
  EXPECT_FALSE(T5Buckets::create({1, 128, false}).ok());
  EXPECT_FALSE(T5Buckets::create({32, 16, false}).ok());
  EXPECT_FALSE(T5Buckets::create({5, 128, true}).ok());
  EXPECT_FALSE(T5Buckets::create({2, 128, true}).ok());
  EXPECT_TRUE(T5Buckets::create({32, 17, false}).ok());
  EXPECT_TRUE(T5Buckets::create({32, 9, true}).ok());
}

TEST(Alibi, SlopesEqualTheVectors) {
  int entries = 0;
  for (const auto& [name, entry] : tables().items()) {
    if (!name.starts_with("alibi_slopes_")) continue;
    ++entries;
    const std::vector<float> slopes = alibi_slopes(entry["heads"]);
    ASSERT_EQ(slopes.size(), entry["slopes"].size()) << name;
    for (size_t head = 0; head < slopes.size(); ++head)
      EXPECT_NEAR(slopes[head], entry["slopes"][head].get<float>(), kTolerance) << name << ", head " << head;
  }
  EXPECT_EQ(entries, 6);
}

TEST(Alibi, BiasEqualsTheVectors) {
  const json& entry = tables()["alibi_bias_heads2_L4"];
  const std::vector<float> slopes = alibi_slopes(entry["heads"]);
  for (size_t head = 0; head < slopes.size(); ++head) {
    for (int i = 0; i < entry["len"]; ++i) {
      for (int j = 0; j <= i; ++j) {
        const float expected = entry["bias"][head][static_cast<size_t>(i)][static_cast<size_t>(j)];
        EXPECT_NEAR(-slopes[head] * static_cast<float>(i - j), expected, kTolerance);
      }
    }
  }
}

TEST(Shaw, KeyProductsEqualTheVectors) {
  const json& entry = tables()["shaw_relative_key"];
  const RelativeClip clip{entry["clip_left"], entry["clip_right"]};
  EXPECT_EQ(clip.rows(), 6);
  for (size_t i = 0; i < entry["q"].size(); ++i) {
    const std::vector<float> query = numbers(entry["q"][i]);
    for (size_t j = 0; j < entry["q"].size(); ++j) {
      const auto r = static_cast<float>(clip.row(static_cast<int64_t>(j) - static_cast<int64_t>(i)));
      const std::vector<float> vector = {2.0f * r / 10.0f, (2.0f * r + 1.0f) / 10.0f};  // the entry's table
      EXPECT_NEAR(dot(query, vector) / std::sqrt(2.0f), entry["bias"][i][j].get<float>(), kTolerance) << i << ", " << j;
    }
  }
}

// Where the published shift puts an entry of its products says which distance it belongs to: row i of the unshifted
// matrix holds distances klen - 1 ... 0.
TEST(TransformerXl, DistancesEqualThePublishedShift) {
  const json& entry = tables()["transformer_xl_rel_shift"];
  const int queries = entry["qlen"];
  const int keys = entry["klen"];
  for (int i = 0; i < queries; ++i) {
    for (int j = 0; j <= i + keys - queries; ++j) {
      const int distance = i + (keys - queries) - j;
      const int unshifted = i * keys + (keys - 1 - distance);
      EXPECT_EQ(unshifted, entry["output"][static_cast<size_t>(i)][static_cast<size_t>(j)].get<int>());
    }
  }
}

TEST(TransformerXl, ScoresEqualTheVectors) {
  const json& entry = tables()["transformer_xl_scores"];
  const int queries = entry["qlen"];
  const int keys = entry["klen"];
  const int width = entry["head_dim"];
  const Sinusoid sinusoid = *Sinusoid::create(SinusoidKind::transformer_xl, width);
  const std::vector<float> content_bias = numbers(entry["u"]);
  const std::vector<float> position_bias = numbers(entry["v"]);
  const auto plus = [](std::vector<float> a, const std::vector<float>& b) {
    for (size_t c = 0; c < a.size(); ++c) a[c] += b[c];
    return a;
  };
  for (int i = 0; i < queries; ++i) {
    const std::vector<float> query = numbers(entry["q"][static_cast<size_t>(i)]);
    for (int j = 0; j <= i + keys - queries; ++j) {
      std::vector<float> wave(static_cast<size_t>(width));
      sinusoid.write(static_cast<float>(i + keys - queries - j), wave.data());
      std::vector<float> relative;  // W_r s(D)
      for (const json& row : entry["W_r"]) relative.push_back(dot(numbers(row), wave));
      const float score = dot(plus(query, content_bias), numbers(entry["k"][static_cast<size_t>(j)])) +
                          dot(plus(query, position_bias), relative);
      EXPECT_NEAR(score / std::sqrt(static_cast<float>(width)),
                  entry["scores"][static_cast<size_t>(i)][static_cast<size_t>(j)].get<float>(), kTolerance);
    }
  }
}

TEST(TransformerXl, SegmentsStartAtAbsoluteMultiples) {
  const SegmentMemory memory{.segment = 4, .memory = 6};
  EXPECT_EQ(memory.memory_begin(3), 0);
  EXPECT_EQ(memory.memory_begin(7), 0);
  EXPECT_EQ(memory.memory_begin(8), 2);
  EXPECT_EQ(memory.memory_begin(11), 2);
  EXPECT_EQ(memory.segment_begin(11), 8);
  EXPECT_EQ(memory.segment_end(11), 12);
  EXPECT_EQ(memory.segment_end(12), 16);
  EXPECT_EQ(memory.distances(), 10);  // token 11 sees token 2
}

TEST(Cable, BiasEqualsTheVectors) {
  const json& entry = tables()["cable_bias"];
  for (size_t head = 0; head < entry["W"].size(); ++head) {
    std::vector<RunningSum> sums;
    for (size_t t = 0; t < entry["x"].size(); ++t) {
      const float x = dot(numbers(entry["W"][head]), numbers(entry["x"][t])) + entry["b"][head].get<float>();
      sums.push_back(advance(sums.empty() ? RunningSum{} : sums.back(), softplus(x)));
      EXPECT_NEAR(sums[t].value(), entry["cumulative"][head][t].get<double>(), kTolerance);
      for (size_t j = 0; j <= t; ++j)
        EXPECT_NEAR(bias_between(sums[t], sums[j]), entry["bias"][head][t][j].get<float>(), kTolerance);
    }
  }
}

// One f32 would lose the sixth digit of a difference after a few thousand tokens.
TEST(Cable, SumsOverLongPromptsKeepTheirDifferences) {
  RunningSum sum;
  RunningSum before;
  for (int t = 0; t < 200000; ++t) {
    before = sum;
    sum = advance(sum, 0.7 + 1e-3 * (t % 7));
  }
  EXPECT_NEAR(bias_between(sum, before), -(0.7 + 1e-3 * (199999 % 7)), 1e-7);
}

TEST(Cable, SoftplusHasNoOverflow) {
  EXPECT_DOUBLE_EQ(softplus(800.0), 800.0);
  EXPECT_DOUBLE_EQ(softplus(0.0), std::log(2.0));
  EXPECT_GT(softplus(-700.0), 0.0);
}

}  // namespace
}  // namespace azimuth::positions
