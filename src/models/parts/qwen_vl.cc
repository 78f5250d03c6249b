#include "models/parts/qwen_vl.h"

namespace azimuth::models {
namespace {

// Source: transformers, processing_qwen2_vl.py and processing_qwen3_vl.py.
PromptSpec prompt_markup(PromptExpansion video) {
  PromptSpec prompt;
  prompt.image = {.expansion = PromptExpansion::per_cell, .placeholder = "<|image_pad|>"};
  prompt.video = {.expansion = video, .placeholder = "<|video_pad|>"};
  if (video == PromptExpansion::timestamped_frames) {  // which writes the markers of every frame itself
    prompt.video.start = "<|vision_start|>";
    prompt.video.end = "<|vision_end|>";
  }
  prompt.adds_bos_to_chat = true;
  return prompt;
}

// The head is tied where the config says so, or, in files of transformers 4, its text_config does.
Result<bool> read_tied_head(const JsonView& config, const TextSpec& text, bool flat) {
  AZ_ASSIGN_OR_RETURN(const bool tied, config.boolean_or("tie_word_embeddings", text.tied_head));
  return tied || (flat && text.tied_head);
}

}  // namespace

Result<ModelSpec> read_qwen_vl(const JsonView& config, const QwenVlFamily& family) {
  ModelSpec spec;
  spec.prompt = prompt_markup(family.video);
  spec.tokenizer_class = family.tokenizer;
  JsonView text_config = config;
  std::string text_type(family.text);
  const bool nested = !family.flat || config.has("text_config");
  if (nested) {
    AZ_ASSIGN_OR_RETURN(text_config, config.object("text_config"));
    AZ_ASSIGN_OR_RETURN(text_type, text_config.string_or("model_type", family.text));
  }
  AZ_ASSIGN_OR_RETURN(const TextPart* text, find_text_part(text_type));
  AZ_ASSIGN_OR_RETURN(spec.text, text->read(text_config));
  AZ_ASSIGN_OR_RETURN(spec.text.tied_head, read_tied_head(config, spec.text, family.flat));
  AZ_ASSIGN_OR_RETURN(const JsonView vision_config, config.object("vision_config"));
  AZ_ASSIGN_OR_RETURN(const VisionPart* tower, find_vision_part(family.tower));
  AZ_ASSIGN_OR_RETURN(spec.vision, tower->read(vision_config));
  if (spec.vision->projector.output != spec.text.hidden) {
    return invalid_argument("config.json expected vision_config." + std::string(family.output) + " equal to " +
                            (nested ? "text_config." : "") + "hidden_size, found " +
                            std::to_string(spec.vision->projector.output) + " and " + std::to_string(spec.text.hidden));
  }
  text->add_weights(spec.text, family.text_prefixes,
                    {"lm_head.weight", "language_model.lm_head.weight", "model.lm_head.weight"}, spec.weights);
  tower->add_weights(*spec.vision, {"model.visual.", "visual."}, spec.weights);
  return spec;
}

}  // namespace azimuth::models
