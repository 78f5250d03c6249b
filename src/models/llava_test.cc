// Which states of a tower LLaVA reads, and what its configs must not say.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "models/families.h"

namespace azimuth::models {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

json config_of(const std::string& model_type, const std::string& tower) {
  return {{"model_type", model_type},
          {"text_config", {{"model_type", "llama"}, {"hidden_size", 32}, {"num_attention_heads", 4}}},
          {"vision_config",
           {{"model_type", tower},
            {"hidden_size", 24},
            {"num_attention_heads", 2},
            {"num_hidden_layers", 5},
            {"image_size", 29},
            {"patch_size", 7}}}};
}

Result<ModelSpec> read(const json& config) {
  return read_model_spec(JsonView(config, "config.json"));
}

std::string failure(const json& config) {
  const Result<ModelSpec> spec = read(config);
  EXPECT_FALSE(spec.ok());
  return spec.ok() ? "" : spec.status().message();
}

TEST(Llava, StatesAreCountedFromTheEmbeddingOrFromTheEnd) {
  json config = config_of("llava", "clip_vision_model");
  const Result<ModelSpec> usual = read(config);
  ASSERT_TRUE(usual.ok()) << usual.status().message();
  EXPECT_THAT(usual->vision->feature_layers, ElementsAre(3)) << "-2: the output of the last layer but one";
  EXPECT_FALSE(usual->vision->final_norm);
  EXPECT_EQ(usual->vision->activation, Activation::quick_gelu) << "the class's own, where the config is silent";
  EXPECT_EQ(usual->weights.find("tower.final_norm.weight"), nullptr);
  config["vision_feature_layer"] = {0, 5, -6, -1};
  const Result<ModelSpec> several = read(config);
  ASSERT_TRUE(several.ok()) << several.status().message();
  EXPECT_THAT(several->vision->feature_layers, ElementsAre(-1, 4, -1, 4));
  EXPECT_EQ(several->weights.find("tower.projector.first.weight")->shape, Shape({32, 4 * 24}));
  config["vision_feature_layer"] = 6;
  EXPECT_THAT(failure(config), HasSubstr("-6 to 5"));
}

TEST(Llava, TheClassTokenIsClipsAlone) {
  json config = config_of("llava", "clip_vision_model");
  EXPECT_FALSE(read(config)->vision->class_features);
  EXPECT_EQ(read(config)->vision->learned_rows, 17) << "29 pixels hold 4 patches of 7, and the class token has a place";
  config["vision_feature_select_strategy"] = "full";
  EXPECT_TRUE(read(config)->vision->class_features);
  config["vision_config"]["model_type"] = "siglip_vision_model";
  EXPECT_FALSE(read(config)->vision->class_features);
  EXPECT_EQ(read(config)->vision->learned_rows, 16);
  config["vision_feature_select_strategy"] = "default";
  EXPECT_THAT(failure(config), HasSubstr("drop the first patch"));
  config["vision_feature_select_strategy"] = "cls_only";
  EXPECT_THAT(failure(config), HasSubstr("\"cls_only\""));
}

TEST(Llava, TilesHaveNoPlaceForClassTokens) {
  for (const char* model_type : {"llava_next", "llava_onevision"}) {
    json config = config_of(model_type, "clip_vision_model");
    config["vision_feature_select_strategy"] = "full";
    EXPECT_THAT(failure(config), HasSubstr("class tokens of tiles")) << model_type;
    config["vision_feature_select_strategy"] = "default";
    EXPECT_NE(read(config)->weights.find("tower.newline"), nullptr) << model_type;
  }
}

TEST(Llava, TheAspectNamesACountOfTiles) {
  json config = config_of("llava_onevision", "siglip_vision_model");
  EXPECT_EQ(read(config)->vision->most_tiles, 9);
  config["vision_aspect_ratio"] = "anyres_max_4";
  EXPECT_EQ(read(config)->vision->most_tiles, 4);
  for (const char* wrong : {"pad", "anyres_max_", "anyres_max_0", "anyres_max_4x"}) {
    config["vision_aspect_ratio"] = wrong;
    EXPECT_THAT(failure(config), HasSubstr("anyres_max_N")) << wrong;
  }
}

TEST(Llava, TheTowersHeadsDivideIt) {
  json config = config_of("llava", "clip_vision_model");
  config["vision_config"]["num_attention_heads"] = 5;
  EXPECT_THAT(failure(config), HasSubstr("hidden_size 24 and num_attention_heads 5"));
  config = config_of("llava", "siglip_vision_model");
  config["vision_config"]["image_size"] = 6;
  EXPECT_THAT(failure(config), HasSubstr("at least one patch"));
}

TEST(Mistral, TheWindowIsOnUnlessItIsNull) {
  json config = {{"model_type", "mistral"}, {"num_hidden_layers", 2}};
  EXPECT_EQ(read(config)->text.layers[1].window, 4096);
  config["sliding_window"] = nullptr;
  EXPECT_EQ(read(config)->text.layers[1].window, 0);
  config["sliding_window"] = 9;
  EXPECT_EQ(read(config)->text.layers[0].window, 9);
}

}  // namespace
}  // namespace azimuth::models
