#include "sampling/logprobs.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/mmap.h"

namespace azimuth::sampling {
namespace {

using nlohmann::json;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<float> floats(const json& values) {
  std::vector<float> result;
  for (const json& value : values) result.push_back(value.is_null() ? -kInfinity : value.get<float>());
  return result;
}

constexpr double kUnit = 0x1p-24;

RowStatistics statistics_of(const std::vector<float>& logits, int top = 0, double temperature = 1.0) {
  ThreadPool pool(1);
  return row_statistics(logits.data(), 1, static_cast<int64_t>(logits.size()), top, temperature, pool)[0];
}

TEST(RowStatistics, UniformDistribution) {
  const RowStatistics found = statistics_of(std::vector<float>(64, -7.5f), 3);
  EXPECT_NEAR(found.logprob(-7.5f), -std::log(64.0), 4 * kUnit);
  EXPECT_NEAR(found.entropy, std::log(64.0), 4 * kUnit);
  EXPECT_EQ(found.top[0].id, 0);
  EXPECT_EQ(found.top[1].id, 1);
}

TEST(RowStatistics, OneCertainToken) {
  const RowStatistics found = statistics_of({-kInfinity, 3.0f, -kInfinity}, 10);
  EXPECT_EQ(found.logprob(3.0f), 0.0);
  EXPECT_EQ(found.entropy, 0.0);
  ASSERT_EQ(found.top.size(), 3u) << "no more alternatives than tokens";
  EXPECT_EQ(found.top[2].logprob, -kInfinity);
  EXPECT_EQ(found.logprob(-kInfinity), -kInfinity);
}

TEST(RowStatistics, HugeLogitsDoNotOverflow) {
  const RowStatistics found = statistics_of({3e38f, -3e38f});
  EXPECT_NEAR(found.logprob(-3e38f) / -6e38, 1.0, 1e-6);
  EXPECT_EQ(found.entropy, 0.0);
}

TEST(RowStatistics, TemperaturesThatAreNoneAreErrors) {
  for (const double temperature : {0.0, -1.0, 1e-60, 1e60, std::nan("")})
    EXPECT_FALSE(check_temperature(temperature).ok());
  EXPECT_TRUE(check_temperature(0.7).ok());
}

// The bounds of logprobs.h.
TEST(RowStatistics, EqualTorchInF64WithinTheirBound) {
  ThreadPool pool(3);
  const auto text = read_file(std::string(AZIMUTH_SOURCE_DIR) + "/tests/golden/sampling/goldens.json", 1 << 24);
  ASSERT_TRUE(text.ok()) << text.status().message();
  for (const json& golden : json::parse(*text).at("statistics")) {
    const std::vector<float> logits = floats(golden.at("logits"));
    const auto top_ids = golden.at("top_ids").get<std::vector<int32_t>>();
    const double temperature = golden.at("temperature");
    const auto count = static_cast<int64_t>(logits.size());
    std::vector<float> rows;  // [3, count]
    for (int i = 0; i < 3; ++i) rows.insert(rows.end(), logits.begin(), logits.end());
    const auto found = row_statistics(rows.data(), 3, count, static_cast<int>(top_ids.size()), temperature, pool);
    const double entropy = golden.at("entropy");
    const double logprob = golden.at("logprob");
    double spread = 0.0;  // sum(p |d|) and of its square; |d| is at most the distance to the likeliest token
    for (const float logit : logits) {
      if (logit == -kInfinity) continue;
      const double d = std::abs(found[0].logprob(logit) - found[0].top[0].logprob);
      spread += std::exp(found[0].logprob(logit)) * (4 + 3 * d) * (1 + d);
    }
    for (const RowStatistics& row : found) {
      ASSERT_TRUE(row.has_distribution());
      // The f32 next to the temperature is off by half a unit, which moves logits / temperature by as much.
      EXPECT_NEAR(row.logprob(logits[golden.at("id").get<size_t>()]), logprob,
                  kUnit * (4 + 3 * entropy + std::abs(logprob)));
      EXPECT_NEAR(row.entropy, entropy, kUnit * (4 + 3 * entropy + 2 * spread));
      for (size_t i = 0; i < top_ids.size(); ++i) EXPECT_EQ(row.top[i].id, top_ids[i]);
    }
  }
}

TEST(RowStatistics, AlternativesAreThoseOfASort) {
  ThreadPool pool(2);
  std::vector<float> logits;
  uint32_t state = 5;
  for (int i = 0; i < 3000; ++i) {
    state = state * 1664525u + 1013904223u;
    logits.push_back(static_cast<float>(state >> 24));  // many equal ones
  }
  for (const int top : {1, 2, 7, 300, 3000, 5000}) {
    const std::vector<TokenLogprob> found = row_statistics(logits.data(), 1, 3000, top, 1.0, pool)[0].top;
    std::vector<int32_t> ids(3000);
    for (int32_t i = 0; i < 3000; ++i) ids[static_cast<size_t>(i)] = i;
    std::stable_sort(ids.begin(), ids.end(), [&](int32_t a, int32_t b) { return logits[a] > logits[b]; });
    ASSERT_EQ(found.size(), static_cast<size_t>(std::min(top, 3000)));
    for (size_t i = 0; i < found.size(); ++i) ASSERT_EQ(found[i].id, ids[i]) << top;
  }
}

// Wherever it stands, in whole vectors and behind them.
TEST(RowStatistics, ARowWithoutADistributionIsSeen) {
  ThreadPool pool(2);
  for (const float bad : {std::nanf(""), kInfinity}) {
    for (int64_t at = 0; at < 37; ++at) {
      std::vector<float> rows(3 * 37, 0.5f);  // the second one is bad
      rows[static_cast<size_t>(37 + at)] = bad;
      const auto found = row_statistics(rows.data(), 3, 37, 2, 1.0, pool);
      EXPECT_TRUE(found[0].has_distribution());
      EXPECT_FALSE(found[1].has_distribution()) << at;
      EXPECT_TRUE(found[2].has_distribution());
      EXPECT_NE(check_row({rows.data() + 37, 37}).message().find("at token " + std::to_string(at)), std::string::npos);
    }
  }
  const std::vector<float> nothing(37, -kInfinity);
  EXPECT_FALSE(row_statistics(nothing.data(), 1, 37, 2, 1.0, pool)[0].has_distribution());
  EXPECT_NE(check_row(nothing).message().find("all excluded"), std::string::npos);
  EXPECT_TRUE(check_row(std::vector<float>(3, 1.0f)).ok());
  EXPECT_FALSE(check_row({}).ok());
}

}  // namespace
}  // namespace azimuth::sampling
