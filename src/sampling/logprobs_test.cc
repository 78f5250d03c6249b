#include "sampling/logprobs.h"

#include <gtest/gtest.h>

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

TEST(LogprobsGolden, EqualTorchInF64) {
  const auto text = read_file(std::string(AZIMUTH_SOURCE_DIR) + "/tests/golden/sampling/goldens.json", 1 << 24);
  ASSERT_TRUE(text.ok()) << text.status().message();
  const json document = json::parse(*text);
  ASSERT_FALSE(document.at("statistics").empty());
  for (const json& golden : document.at("statistics")) {
    const auto top_ids = golden.at("top_ids").get<std::vector<int32_t>>();
    const auto found = token_statistics(floats(golden.at("logits")), golden.at("id"), static_cast<int>(top_ids.size()),
                                        golden.at("temperature"));
    ASSERT_TRUE(found.ok()) << found.status().message();
    // Both sum 48 terms in f64: a few units of 2^-52 of the largest intermediate, which stays below 1000.
    constexpr double kTolerance = 1e-12;
    EXPECT_NEAR(found->logprob, golden.at("logprob").get<double>(), kTolerance);
    EXPECT_NEAR(found->entropy, golden.at("entropy").get<double>(), kTolerance);
    for (size_t i = 0; i < top_ids.size(); ++i) {
      EXPECT_EQ(found->top[i].id, top_ids[i]);
      EXPECT_NEAR(found->top[i].logprob, golden.at("top_logprobs")[i].get<double>(), kTolerance);
    }
  }
}

TEST(Logprobs, UniformDistribution) {
  const std::vector<float> logits(64, -7.5f);
  const auto found = token_statistics(logits, 63, 3);
  ASSERT_TRUE(found.ok());
  EXPECT_NEAR(found->logprob, -std::log(64.0), 1e-14);
  EXPECT_NEAR(found->entropy, std::log(64.0), 1e-14);
  EXPECT_EQ(found->top[0].id, 0);
  EXPECT_EQ(found->top[1].id, 1);
}

TEST(Logprobs, OneCertainToken) {
  const std::vector<float> logits = {-kInfinity, 3.0f, -kInfinity};
  const auto found = token_statistics(logits, 1, 10);
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->logprob, 0.0);
  EXPECT_EQ(found->entropy, 0.0);
  ASSERT_EQ(found->top.size(), 3u) << "no more alternatives than tokens";
  EXPECT_EQ(found->top[2].logprob, -kInfinity);
  EXPECT_EQ(token_statistics(logits, 0)->logprob, -kInfinity);
}

TEST(Logprobs, HugeLogitsDoNotOverflow) {
  const auto found = token_statistics(std::vector<float>{3e38f, -3e38f}, 1);
  ASSERT_TRUE(found.ok());
  EXPECT_NEAR(found->logprob / -6e38, 1.0, 1e-6);
  EXPECT_EQ(found->entropy, 0.0);
}

TEST(Logprobs, BadInputIsAnError) {
  const std::vector<float> logits = {0, 1};
  EXPECT_EQ(token_statistics(logits, 2).status().code(), StatusCode::out_of_range);
  EXPECT_EQ(token_statistics(logits, -1).status().code(), StatusCode::out_of_range);
  EXPECT_FALSE(token_statistics(logits, 0, 0, 0.0).ok());
  EXPECT_FALSE(token_statistics(logits, 0, 0, std::nan("")).ok());
  EXPECT_FALSE(token_statistics(std::vector<float>{0, kInfinity}, 0).ok());
  EXPECT_FALSE(token_statistics(std::vector<float>{-kInfinity}, 0).ok());
  EXPECT_FALSE(token_statistics({}, 0).ok());
}

}  // namespace
}  // namespace azimuth::sampling
