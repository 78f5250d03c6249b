#include "sampling/generation_config.h"

#include <gtest/gtest.h>

namespace azimuth::sampling {
namespace {

TEST(GenerationConfig, ReadsWhatCheckpointsShip) {
  const auto config =
      parse_generation_config(R"({"bos_token_id": 151643, "do_sample": true, "eos_token_id": [151645, 151643],
      "pad_token_id": 151643, "repetition_penalty": 1.05, "temperature": 0.1, "top_k": 1, "top_p": 0.001,
      "transformers_version": "4.49.0"})");
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_EQ(config->end_of_text_ids, (std::vector<int32_t>{151645, 151643}));
  EXPECT_EQ(config->params.stop_ids, config->end_of_text_ids);
  EXPECT_EQ(config->params.temperature, 0.1);
  EXPECT_EQ(config->params.top_k, 1);
  EXPECT_EQ(config->params.top_p, 0.001);
  EXPECT_EQ(config->params.repetition_penalty, 1.05);
}

TEST(GenerationConfig, WithoutDoSampleItIsGreedy) {
  const auto config = parse_generation_config(R"({"eos_token_id": 2, "temperature": 0.6, "top_p": 0.9})");
  ASSERT_TRUE(config.ok());
  EXPECT_TRUE(config->params.greedy());
  EXPECT_EQ(config->end_of_text_ids, (std::vector<int32_t>{2}));
}

TEST(GenerationConfig, SamplingWithoutNumbersHasTransformersDefaults) {
  const auto config = parse_generation_config(R"({"do_sample": true, "top_p": null})");
  ASSERT_TRUE(config.ok());
  EXPECT_EQ(config->params.temperature, 1.0);
  EXPECT_EQ(config->params.top_k, 50);
  EXPECT_TRUE(config->end_of_text_ids.empty());
}

TEST(GenerationConfig, BadValuesAreNamed) {
  const auto message = [](std::string_view text) { return parse_generation_config(text).status().message(); };
  EXPECT_EQ(message(R"({"eos_token_id": "</s>"})"),
            "generation_config.json: eos_token_id expected an integer in [0, 2147483647], found \"</s>\"");
  EXPECT_EQ(message(R"({"eos_token_id": [1, -1]})"),
            "generation_config.json: eos_token_id[1] expected an integer in [0, 2147483647], found -1");
  EXPECT_EQ(message(R"({"do_sample": true, "top_p": 7})"),
            "generation_config.json: top_p expected a number in [0, 1], found 7");
  EXPECT_EQ(message("[]"), "generation_config.json expected an object, found []");
  EXPECT_FALSE(parse_generation_config("").ok());
}

}  // namespace
}  // namespace azimuth::sampling
