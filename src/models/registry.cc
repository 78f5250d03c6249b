#include "models/registry.h"

namespace azimuth::models {

// One entry a line, so that families are added side by side.
// clang-format off

const std::vector<TextPart>& text_parts() {
  static const std::vector<TextPart> parts = {
      gemma2_text(),
      gemma3_text_part(),
      gemma4_text_part(),
      gemma_text(),
      llama_text(),
      mistral_text(),
      mllama_text(),
      opt_text(),
      qwen2_5_vl_text(),
      qwen2_text(),
      qwen2_vl_text(),
      qwen3_5_moe_text(),
      qwen3_5_text_part(),
      qwen3_text(),
      qwen3_vl_moe_text(),
      qwen3_vl_text(),
  };
  return parts;
}

const std::vector<VisionPart>& vision_parts() {
  static const std::vector<VisionPart> parts = {
      blip_2_vision(),
      clip_vision_model(),
      gemma4_vision(),
      idefics2_vision(),
      idefics3_vision(),
      internvl_vision(),
      mllama_vision(),
      ovis2_vision(),
      qwen2_5_vl_vision(),
      qwen2_vl_vision(),
      qwen3_5_vision(),
      qwen3_vl_vision(),
      siglip_vision_model(),
  };
  return parts;
}

const std::vector<Family>& families() {
  static const std::vector<Family> list = {
      blip_2(),
      gemma(),
      gemma2(),
      gemma3(),
      gemma3_text(),
      gemma4(),
      gemma4_text(),
      idefics2(),
      idefics3(),
      internvl(),
      llama(),
      llava(),
      llava_next(),
      llava_onevision(),
      mistral(),
      mllama(),
      opt(),
      ovis2(),
      paligemma(),
      qwen2(),
      qwen2_5_vl(),
      qwen2_vl(),
      qwen3(),
      qwen3_5(),
      qwen3_5_moe(),
      qwen3_5_text(),
      qwen3_vl(),
      qwen3_vl_moe(),
      smolvlm(),
  };
  return list;
}

// clang-format on

}  // namespace azimuth::models
