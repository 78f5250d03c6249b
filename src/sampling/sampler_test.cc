#include "sampling/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "base/mmap.h"
#include "sampling/logprobs.h"

namespace azimuth::sampling {
namespace {

using nlohmann::json;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

json goldens() {
  const auto text = read_file(std::string(AZIMUTH_SOURCE_DIR) + "/tests/golden/sampling/goldens.json", 1 << 24);
  return text.ok() ? json::parse(*text) : json::object();
}

std::vector<float> floats(const json& values) {
  std::vector<float> result;
  for (const json& value : values) result.push_back(value.is_null() ? -kInfinity : value.get<float>());
  return result;
}

SamplingParams params_of(const json& golden) {
  SamplingParams params;
  const json& values = golden.at("params");
  params.temperature = values.value("temperature", 0.0);
  params.top_k = values.value("top_k", 0);
  params.top_p = values.value("top_p", 1.0);
  params.min_p = values.value("min_p", 0.0);
  params.repetition_penalty = values.value("repetition_penalty", 1.0);
  params.presence_penalty = values.value("presence_penalty", 0.0);
  params.frequency_penalty = values.value("frequency_penalty", 0.0);
  params.min_new_tokens = values.value("min_new_tokens", 0);
  params.stop_ids = golden.at("stop_ids").get<std::vector<int32_t>>();
  return params;
}

void expect_goldens(const json& cases) {
  ASSERT_FALSE(cases.empty());
  for (const json& golden : cases) {
    const SamplingParams params = params_of(golden);
    ASSERT_TRUE(validate(params).ok()) << validate(params).message();
    const auto prompt = golden.at("prompt").get<std::vector<int32_t>>();
    for (const json& step : golden.at("steps")) {
      const auto generated = step.at("generated").get<std::vector<int32_t>>();
      const auto processed = process_logits(floats(step.at("logits")), params, {prompt, generated});
      ASSERT_TRUE(processed.ok()) << processed.status().message();
      const std::vector<float> expected = floats(step.at("processed"));
      ASSERT_EQ(processed->size(), expected.size());
      for (size_t id = 0; id < expected.size(); ++id) {
        // The same f32 operations in the same order.
        EXPECT_EQ((*processed)[id], expected[id]) << golden.at("params") << " token " << id;
      }
    }
  }
}

TEST(SamplerGolden, LogitsAreProcessedAsGenerateDoes) {
  expect_goldens(goldens().at("processed"));
}

TEST(SamplerGolden, PresenceAndFrequencyPenalties) {
  expect_goldens(goldens().at("penalties"));
}

TEST(Sampler, GreedyTakesTheSmallestIndexOfTheLargestLogit) {
  const std::vector<float> logits = {1, 5, 3, 5, -kInfinity};
  EXPECT_EQ(*sample(logits, {}, {}, 0, 0), 1);
}

TEST(Sampler, GreedyObeysPenalties) {
  const std::vector<float> logits = {2, 3};
  const std::vector<int32_t> seen = {1};
  SamplingParams params;
  params.repetition_penalty = 2.0;
  EXPECT_EQ(*sample(logits, params, {seen, {}}, 0, 0), 0);
  EXPECT_EQ(*sample(logits, params, {{}, seen}, 0, 0), 0);
  params.repetition_penalty = 1.0;
  params.presence_penalty = 1.5;
  EXPECT_EQ(*sample(logits, params, {seen, {}}, 0, 0), 1) << "presence looks at generated tokens only";
  EXPECT_EQ(*sample(logits, params, {{}, seen}, 0, 0), 0);
}

TEST(Sampler, HistoryOutsideOfTheVocabularyIsIgnored) {
  const std::vector<float> logits = {2, 3};
  const std::vector<int32_t> odd = {-1, 2, 1 << 30, std::numeric_limits<int32_t>::min()};
  SamplingParams params;
  params.repetition_penalty = 2.0;
  params.frequency_penalty = 1.0;
  EXPECT_EQ(*sample(logits, params, {odd, odd}, 0, 0), 1);
}

TEST(Sampler, TiesAtTheEdgeOfTopP) {
  SamplingParams params;
  params.temperature = 1.0;
  params.top_p = 0.5;
  const auto processed = process_logits(std::vector<float>{0, 0, 0, 0}, params, {});
  EXPECT_EQ(*processed, (std::vector<float>{0, 0, -kInfinity, -kInfinity})) << "smaller indices are kept";
}

TEST(Sampler, TinyTemperatureIsGreedyWithoutOverflow) {
  SamplingParams params;
  params.temperature = SamplingParams::kMinTemperature;
  params.top_p = 0.9;
  params.min_p = 0.1;
  for (const float size : {1.0f, 1e30f, 3e38f}) {
    const std::vector<float> logits = {-size, 0.5f * size, -kInfinity, 0.25f * size};
    for (int step = 0; step < 20; ++step) EXPECT_NE(*sample(logits, params, {}, 0, step), 2) << size;
  }
  EXPECT_EQ(*sample(std::vector<float>{-1.0f, 0.5f, 0.25f}, params, {}, 0, 0), 1);
}

TEST(Sampler, LogitsThatAreNoNumbersAreErrors) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  SamplingParams warm;
  warm.temperature = 1.0;
  for (const SamplingParams& params : {SamplingParams{}, warm}) {
    EXPECT_EQ(sample(std::vector<float>{1, nan}, params, {}, 0, 0).status().message(),
              "logits expected finite numbers or -inf, found NaN at token 1");
    EXPECT_EQ(sample(std::vector<float>{kInfinity, 0}, params, {}, 0, 0).status().message(),
              "logits expected finite numbers or -inf, found +inf at token 0");
    EXPECT_FALSE(sample({}, params, {}, 0, 0).ok());
    EXPECT_FALSE(sample(std::vector<float>{-kInfinity, -kInfinity}, params, {}, 0, 0).ok());
  }
}

TEST(Sampler, AllTokensBannedIsAnError) {
  SamplingParams params;
  params.stop_ids = {0};
  params.min_new_tokens = 1;
  EXPECT_FALSE(sample(std::vector<float>{1}, params, {}, 0, 0).ok());
}

TEST(Sampler, TheDrawDependsOnSeedRequestAndStepOnly) {
  const std::vector<float> logits(1000, 0.0f);
  SamplingParams params;
  params.temperature = 1.0;
  const auto tokens = [&](uint64_t seed, uint64_t request) {
    params.seed = seed;
    std::vector<int32_t> drawn;
    for (int step = 0; step < 16; ++step) drawn.push_back(*sample(logits, params, {}, request, step));
    return drawn;
  };
  EXPECT_EQ(tokens(1, 2), tokens(1, 2));
  EXPECT_NE(tokens(1, 2), tokens(1, 3));
  EXPECT_NE(tokens(1, 2), tokens(2, 2));
}

// Pearson's chi-square of 20,000 draws against the probabilities of the processed logits. The seed is fixed, and the
// bound is the 0.999 quantile for the number of possible tokens minus one.
void expect_distribution(const SamplingParams& params, double bound) {
  constexpr int kDraws = 20'000;
  const std::vector<float> logits = {0.0f, 1.0f, -1.0f, 2.0f, 0.5f, 1.5f, -0.5f, 0.25f};
  const auto processed = process_logits(logits, params, {});
  ASSERT_TRUE(processed.ok());
  const double log_mass = log_sum_exp(*processed);
  std::vector<int> counts(logits.size());
  for (int step = 0; step < kDraws; ++step) ++counts[*sample(logits, params, {}, 5, step)];
  double statistic = 0.0;
  for (size_t id = 0; id < logits.size(); ++id) {
    const double expected = kDraws * std::exp((*processed)[id] - log_mass);
    if (expected == 0.0) {
      EXPECT_EQ(counts[id], 0) << "token " << id << " was excluded";
    } else {
      statistic += (counts[id] - expected) * (counts[id] - expected) / expected;
    }
  }
  EXPECT_LT(statistic, bound);
}

TEST(SamplerDistribution, FollowsTheProbabilities) {
  SamplingParams params;
  params.temperature = 1.0;
  expect_distribution(params, 24.32);  // 7 degrees of freedom
  params.temperature = 0.5;
  params.seed = 99;
  expect_distribution(params, 24.32);
}

TEST(SamplerDistribution, FollowsTheProbabilitiesOfWhatFiltersLeave) {
  SamplingParams params;
  params.temperature = 1.0;
  params.top_k = 4;
  expect_distribution(params, 16.27);  // 3 degrees of freedom
  params.top_k = 0;
  params.min_p = 0.3;
  expect_distribution(params, 13.82);  // 2: tokens 3, 5, 1 have at least 0.3 of the best one's probability
}

struct BadParam {
  const char* name;
  void (*set)(SamplingParams&);
};

class BadParams : public ::testing::TestWithParam<BadParam> {};

TEST_P(BadParams, AreNamed) {
  SamplingParams params;
  GetParam().set(params);
  const Status status = validate(params);
  EXPECT_EQ(status.code(), StatusCode::invalid_argument);
  EXPECT_TRUE(status.message().starts_with(std::string(GetParam().name) + " expected ")) << status.message();
}

INSTANTIATE_TEST_SUITE_P(
    Sampling, BadParams,
    ::testing::Values(BadParam{"temperature", [](SamplingParams& p) { p.temperature = -1; }},
                      BadParam{"temperature", [](SamplingParams& p) { p.temperature = NAN; }},
                      BadParam{"temperature", [](SamplingParams& p) { p.temperature = INFINITY; }},
                      BadParam{"temperature", [](SamplingParams& p) { p.temperature = 1e-9; }},
                      BadParam{"top_k", [](SamplingParams& p) { p.top_k = -1; }},
                      BadParam{"top_p", [](SamplingParams& p) { p.top_p = 1.1; }},
                      BadParam{"top_p", [](SamplingParams& p) { p.top_p = NAN; }},
                      BadParam{"min_p", [](SamplingParams& p) { p.min_p = -0.1; }},
                      BadParam{"repetition_penalty", [](SamplingParams& p) { p.repetition_penalty = 0; }},
                      BadParam{"repetition_penalty", [](SamplingParams& p) { p.repetition_penalty = INFINITY; }},
                      BadParam{"presence_penalty", [](SamplingParams& p) { p.presence_penalty = 2.5; }},
                      BadParam{"frequency_penalty", [](SamplingParams& p) { p.frequency_penalty = NAN; }},
                      BadParam{"max_new_tokens", [](SamplingParams& p) { p.max_new_tokens = -1; }},
                      BadParam{"max_new_tokens", [](SamplingParams& p) { p.max_new_tokens = INT64_MAX; }},
                      BadParam{"min_new_tokens", [](SamplingParams& p) { p.min_new_tokens = -1; }},
                      BadParam{"min_new_tokens", [](SamplingParams& p) { p.min_new_tokens = 513; }},
                      BadParam{"stop", [](SamplingParams& p) { p.stop_strings = {""}; }},
                      BadParam{"stop", [](SamplingParams& p) { p.stop_strings.resize(65, "x"); }},
                      BadParam{"stop", [](SamplingParams& p) { p.stop_strings = {std::string(5000, 'x')}; }},
                      BadParam{"stop_ids", [](SamplingParams& p) { p.stop_ids = {-1}; }}));

TEST(SamplingParams, DefaultsAreValid) {
  EXPECT_TRUE(validate({}).ok());
}

}  // namespace
}  // namespace azimuth::sampling
