// What LLaVA, LLaVA-NeXT and LLaVA-OneVision share: any decoder, a tower of which inner layers are read, a two-layer
// projector.
#pragma once

#include <string_view>

#include "models/families.h"

namespace azimuth::models {

// What a config class decides by itself where a config is silent.
struct LlavaTraits {
  std::string_view text_type = "llama";
  std::string_view vision_type = "clip_vision_model";
  int64_t feature_layer = -2;
  std::string_view select_strategy = "default";
  bool has_newline = false;  // a learned feature behind rows of patches
};

Result<ModelSpec> read_llava_model(const JsonView& config, const LlavaTraits& traits);

}  // namespace azimuth::models
