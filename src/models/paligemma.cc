// PaliGemma 1 and 2 (arXiv 2407.07726, 2412.03555; transformers: PaliGemmaConfig): a SigLIP tower, one linear layer,
// and Gemma or Gemma 2, whose whole prompt sees itself in both directions.
#include <cstdio>

#include "models/parts/weight_names.h"
#include "models/registry.h"

namespace azimuth::models {
namespace {

// Places and shapes in a picture, which the processor adds to the tokenizer (processing_paligemma.py, EXTRA_TOKENS).
std::vector<std::string> place_tokens() {
  std::vector<std::string> tokens;
  const auto add = [&](const char* format, int count) {
    for (int i = 0; i < count; ++i) {
      char token[16];
      std::snprintf(token, sizeof token, format, i);
      tokens.emplace_back(token);
    }
  };
  add("<loc%04d>", 1024);
  add("<seg%03d>", 128);
  return tokens;
}

// Source: transformers, processing_paligemma.py.
PromptSpec prompt_markup() {
  PromptSpec prompt;
  prompt.image = {.expansion = PromptExpansion::per_cell, .placeholder = "<image>"};
  prompt.frame = PromptFrame::media_bos_text_newline;
  prompt.closed_regions = ClosedRegions::whole_prompt;
  return prompt;
}

Result<TextSpec> read_text(const JsonView& config, const TextPart& part, const JsonView& text_config) {
  AZ_ASSIGN_OR_RETURN(TextSpec text, part.read(text_config));
  AZ_ASSIGN_OR_RETURN(text.tied_head, config.boolean_or("tie_word_embeddings", text.tied_head));
  AZ_ASSIGN_OR_RETURN(const int64_t image_token, config.integer_or("image_token_index", 256000, 0, INT32_MAX));
  text.media_ids = {static_cast<int32_t>(image_token)};  // which may have no row of its own
  text.policy = "paligemma";
  for (LayerSpec& layer : text.layers) layer.bidirectional = layer.regions_beyond_window = true;
  AZ_ASSIGN_OR_RETURN(const int64_t width, config.integer_or("projection_dim", 2048, 1, int64_t{1} << 20));
  if (width == text.hidden) return text;
  return invalid_argument("config.json expected projection_dim equal to text_config.hidden_size, found " +
                          std::to_string(width) + " and " + std::to_string(text.hidden));
}

Result<ModelSpec> read_model(const JsonView& config) {
  ModelSpec spec;
  spec.prompt = prompt_markup();
  spec.added_tokens = place_tokens();
  AZ_ASSIGN_OR_RETURN(const JsonView text_config, config.object("text_config"));
  AZ_ASSIGN_OR_RETURN(const std::string text_type, text_config.string_or("model_type", "gemma"));
  AZ_ASSIGN_OR_RETURN(const TextPart* text, find_text_part(text_type));
  AZ_ASSIGN_OR_RETURN(spec.text, read_text(config, *text, text_config));
  AZ_ASSIGN_OR_RETURN(const JsonView vision_config, config.object("vision_config"));
  AZ_ASSIGN_OR_RETURN(const std::string vision_type, vision_config.string_or("model_type", "siglip_vision_model"));
  AZ_ASSIGN_OR_RETURN(const VisionPart* vision, find_vision_part(vision_type));
  AZ_ASSIGN_OR_RETURN(spec.vision, vision->read(vision_config));
  spec.vision->projector = {.kind = ProjectorKind::linear, .merge = 1, .output = spec.text.hidden};
  text->add_weights(spec.text, {"model.language_model.", "language_model.model."},
                    {"lm_head.weight", "language_model.lm_head.weight"}, spec.weights);
  vision->add_weights(*spec.vision,
                      {"model.vision_tower.", "vision_tower.vision_model.", "model.vision_tower.vision_model."},
                      spec.weights);
  const NameSet projector({"model.multi_modal_projector.", "multi_modal_projector."});
  projector.add_linear(spec.weights, "tower.projector.first", "linear", spec.text.hidden, spec.vision->hidden, true);
  return spec;
}

}  // namespace

Family paligemma() {
  return {"paligemma", read_model, "PaliGemma-2-3B",
          R"({"model_type": "paligemma", "projection_dim": 2304,
              "text_config": {"model_type": "gemma2", "hidden_size": 2304, "intermediate_size": 9216,
                              "num_attention_heads": 8, "num_hidden_layers": 26, "num_key_value_heads": 4,
                              "sliding_window": 4096},
              "vision_config": {"model_type": "siglip_vision_model", "hidden_size": 1152, "intermediate_size": 4304,
                                "num_attention_heads": 16, "num_hidden_layers": 27, "patch_size": 14}})"};
}

}  // namespace azimuth::models
