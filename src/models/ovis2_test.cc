#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "models/families.h"

namespace azimuth::models {
namespace {

using nlohmann::json;
using testing::HasSubstr;

json small_config() {
  return {{"model_type", "ovis2"},
          {"visual_indicator_token_ids", {7, 8, 9, 10, 11}},
          {"text_config",
           {{"model_type", "qwen2"}, {"hidden_size", 32}, {"num_attention_heads", 4}, {"num_key_value_heads", 4}}},
          {"vision_config", {{"hidden_size", 24}, {"num_attention_heads", 2}, {"vocab_size", 45}}}};
}

Result<ModelSpec> read(const json& config) {
  return read_model_spec(JsonView(config, "config.json"));
}

TEST(Ovis2, TableHoldsWordsThenIndicators) {
  const Result<ModelSpec> spec = read(small_config());
  ASSERT_TRUE(spec.ok()) << spec.status().message();
  EXPECT_EQ(spec->vision->projector.vocab, 40);
  const WeightRule* words = spec->weights.find("tower.projector.second.weight");
  const WeightRule* indicators = spec->weights.find("decoder.media_tokens");
  ASSERT_TRUE(words != nullptr && indicators != nullptr);
  EXPECT_EQ(words->row_count, 40);
  EXPECT_EQ(indicators->first_row, 40);
  EXPECT_EQ(indicators->elements(), 5 * 32);
}

TEST(Ovis2, WhatItCannotRunIsNamed) {
  json config = small_config();
  config["vision_config"]["tokenize_function"] = "gumbel_argmax";
  EXPECT_THAT(read(config).status().message(), HasSubstr("tokenize_function expected softmax or st_argmax"));
  config = small_config();
  config["visual_indicator_token_ids"].push_back(12);
  EXPECT_THAT(read(config).status().message(), HasSubstr("expected at most 5 ids"));
  config = small_config();
  config["vision_config"]["vocab_size"] = 5;
  EXPECT_THAT(read(config).status().message(), HasSubstr("vocab_size expected"));
}

}  // namespace
}  // namespace azimuth::models
