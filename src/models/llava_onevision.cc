// LLaVA-OneVision (arXiv 2408.03326; transformers: LlavaOnevisionConfig): tiles for a sample's only picture, whole
// pictures where there are several, pooled frames of videos.
#include <charconv>

#include "models/parts/llava_model.h"
#include "models/registry.h"

namespace azimuth::models {
namespace {

// "anyres_max_9": a picture gets the cells of at most 9 tiles.
Result<int> read_most_tiles(const JsonView& config) {
  constexpr std::string_view kKey = "vision_aspect_ratio";
  constexpr std::string_view kStart = "anyres_max_";
  AZ_ASSIGN_OR_RETURN(const std::string text, config.string_or(kKey, "anyres_max_9"));
  int tiles = 0;
  if (text.starts_with(kStart)) {
    const char* end = text.data() + text.size();
    const auto [last, error] = std::from_chars(text.data() + kStart.size(), end, tiles);
    if (error == std::errc{} && last == end && tiles > 0 && tiles <= 1 << 16) return tiles;
  }
  return unsupported(config.where() + "." + std::string(kKey) + " expected \"anyres_max_N\", found \"" +
                     text.substr(0, 64) + "\"");
}

Result<ModelSpec> read_model(const JsonView& config) {
  AZ_ASSIGN_OR_RETURN(ModelSpec spec, read_llava_model(config, {.text_type = "qwen2",
                                                                .vision_type = "siglip_vision_model",
                                                                .feature_layer = -1,
                                                                .select_strategy = "full",
                                                                .has_newline = true}));
  if (spec.vision->class_features) {
    return unsupported(config.where() +
                       ".vision_feature_select_strategy expected \"default\" for a tower with a class token, found "
                       "\"full\"; the class tokens of tiles have no place between their rows");
  }
  spec.prompt.video = {.expansion = PromptExpansion::per_cell, .placeholder = "<video>"};
  spec.vision->arrangement = FeatureArrangement::unpadded_or_whole;
  spec.vision->video_arrangement = FeatureArrangement::pooled_frames;
  AZ_ASSIGN_OR_RETURN(spec.vision->most_tiles, read_most_tiles(config));
  return spec;
}

}  // namespace

Family llava_onevision() {
  return {"llava_onevision", read_model, "LLaVA-OneVision-7B",
          R"({"model_type": "llava_onevision",
              "text_config": {"model_type": "qwen2", "hidden_size": 3584, "intermediate_size": 18944,
                              "num_hidden_layers": 28, "num_attention_heads": 28, "num_key_value_heads": 4,
                              "vocab_size": 152000, "max_position_embeddings": 32768, "rope_theta": 1000000.0},
              "vision_config": {"model_type": "siglip_vision_model", "hidden_size": 1152, "image_size": 384,
                                "intermediate_size": 4304, "num_attention_heads": 16, "num_hidden_layers": 26,
                                "patch_size": 14}})"};
}

}  // namespace azimuth::models
