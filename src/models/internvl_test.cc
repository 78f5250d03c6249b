#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "models/families.h"
#include "models/processor_config.h"

namespace azimuth::models {
namespace {

using nlohmann::json;
using testing::HasSubstr;

json small_config() {
  return {{"model_type", "internvl"},
          {"text_config", {{"model_type", "qwen3"}, {"hidden_size", 32}, {"num_hidden_layers", 1}}},
          {"vision_config", {{"hidden_size", 24}, {"num_attention_heads", 2}, {"num_hidden_layers", 3}}}};
}

Result<ModelSpec> read(const json& config) {
  return read_model_spec(JsonView(config, "config.json"));
}

TEST(InternVL, DefaultsAreThoseOfTheClass) {
  const Result<ModelSpec> spec = read(small_config());
  ASSERT_TRUE(spec.ok()) << spec.status().message();
  EXPECT_TRUE(spec->text.tied_head);
  EXPECT_EQ(spec->vision->learned_side, 32);
  EXPECT_EQ(spec->vision->projector.merge, 2);
  EXPECT_TRUE(spec->vision->feature_layers.empty());
  EXPECT_FALSE(spec->vision->final_norm);
}

TEST(InternVL, FeatureLayersCountTheEmbedding) {
  json config = small_config();
  for (const auto& [written, layer] : {std::pair{-2, 1}, std::pair{0, -1}, std::pair{3, 2}, std::pair{-4, -1}}) {
    config["vision_feature_layer"] = written;
    EXPECT_EQ(read(config)->vision->feature_layers, std::vector<int>{layer}) << written;
  }
}

TEST(InternVL, WhatItCannotRunIsNamed) {
  json config = small_config();
  config["downsample_ratio"] = 0.4;
  EXPECT_THAT(read(config).status().message(), HasSubstr("downsample_ratio expected one over a whole number"));
  config = small_config();
  config["vision_feature_select_strategy"] = "full";
  EXPECT_THAT(read(config).status().message(), HasSubstr("vision_feature_select_strategy expected"));
  config = small_config();
  config["vision_config"]["norm_type"] = "batch_norm";
  EXPECT_THAT(read(config).status().message(), HasSubstr("norm_type expected layer_norm or rms_norm"));
  config = small_config();
  config["vision_config"]["num_attention_heads"] = 5;
  EXPECT_THAT(read(config).status().message(), HasSubstr("multiple of num_attention_heads"));
}

TEST(InternVL, PicturesAreDividedUnlessACallSaysNo) {
  ProcessorFiles files;
  files.preprocessor_config = R"({"image_processor_type": "GotOcr2ImageProcessorFast", "crop_to_patches": false,
                                  "size": {"height": 56, "width": 56}})";
  Result<ProcessorSpecs> specs = read_processor_specs(files, "internvl");
  ASSERT_TRUE(specs.ok()) << specs.status().message();
  EXPECT_TRUE(specs->image.divides);
  EXPECT_EQ(specs->image.height, 56);
  EXPECT_EQ(specs->video.frame.height, 56);
  ASSERT_TRUE(apply_processor_kwargs(*specs, {{"crop_to_patches", false}}).ok());
  EXPECT_FALSE(specs->image.divides);
}

TEST(InternVL, TilesAreSquares) {
  ProcessorFiles files;
  files.preprocessor_config = R"({"size": {"height": 56, "width": 28}})";
  EXPECT_THAT(read_processor_specs(files, "internvl").status().message(), HasSubstr("equal height and width"));
}

}  // namespace
}  // namespace azimuth::models
