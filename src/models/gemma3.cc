// Gemma 3 (arXiv 2503.19786; transformers: Gemma3TextConfig, Gemma3Config): windows with a rotary base of their own,
// norms on queries and keys, and a SigLIP tower whose patches are pooled to a few tokens that see each other.
#include <cmath>

#include "models/parts/config_keys.h"
#include "models/parts/gemma_decoder.h"
#include "models/parts/text_only.h"
#include "models/parts/weight_names.h"
#include "models/registry.h"

namespace azimuth::models {
namespace {

constexpr int kSlidingRope = 0;
constexpr int kFullRope = 1;
constexpr double kSlidingTheta = 10000.0;
constexpr double kFullTheta = 1000000.0;

// transformers 5 nests rope_parameters by layer type; 4 has rope_scaling and rope_theta of the full layers, and
// rope_local_base_freq.
Status read_ropes(const JsonView& config, int head_dim, TextSpec& text) {
  text.ropes.assign(2, RopeSpec{});
  if (config.has("rope_parameters")) {
    AZ_ASSIGN_OR_RETURN(text.ropes[kSlidingRope],
                        read_layer_rope(config, "sliding_attention", head_dim, kSlidingTheta));
    AZ_ASSIGN_OR_RETURN(text.ropes[kFullRope], read_layer_rope(config, "full_attention", head_dim, kFullTheta));
    return ok_status();
  }
  AZ_ASSIGN_OR_RETURN(text.ropes[kFullRope], read_rope(config, head_dim, kFullTheta, {}));
  text.ropes[kSlidingRope].rotary_dim = head_dim;
  AZ_ASSIGN_OR_RETURN(text.ropes[kSlidingRope].theta,
                      config.number_or("rope_local_base_freq", kSlidingTheta, 1.0, 1e12));
  return ok_status();
}

Result<TextSpec> read_text(const JsonView& config) {
  AZ_ASSIGN_OR_RETURN(const bool bidirectional, config.boolean_or("use_bidirectional_attention", false));
  if (bidirectional) {
    return unsupported(config.where() +
                       " expected a decoder that generates, found use_bidirectional_attention, which makes an encoder "
                       "of it; take a checkpoint without it");
  }
  AZ_ASSIGN_OR_RETURN(TextSpec text, read_gemma_decoder(config, {.dense = {.vocab = 262208,
                                                                           .hidden = 2304,
                                                                           .intermediate = 9216,
                                                                           .layers = 26,
                                                                           .heads = 8,
                                                                           .kv_heads = 4,
                                                                           .head_dim = 256,
                                                                           .context = 131072,
                                                                           .qk_norm = true,
                                                                           .policy = "gemma3"},
                                                                 .post_norms = true,
                                                                 .full_layer_every = 6}));
  AZ_RETURN_IF_ERROR(read_ropes(config, text.layers.front().head_dim, text));
  for (LayerSpec& layer : text.layers) layer.rope = layer.window > 0 ? kSlidingRope : kFullRope;
  return text;
}

Result<ModelSpec> read_text_model(const JsonView& config) {
  return read_text_only(config, "gemma3_text", "GemmaTokenizer");
}

// Source: transformers, processing_gemma3.py.
PromptSpec prompt_markup() {
  PromptSpec prompt;
  prompt.image = {.expansion = PromptExpansion::pan_and_scan,
                  .placeholder = "<image_soft_token>",
                  .start = "\n\n<start_of_image>",
                  .end = "<end_of_image>\n\n",
                  .marker = "<start_of_image>"};
  prompt.adds_bos_to_chat = true;
  prompt.closed_regions = ClosedRegions::media_spans;
  return prompt;
}

// Patches are pooled to tokens_per_side^2 tokens (Gemma3MultiModalProjector).
Status read_projector(const JsonView& config, int hidden, VisionSpec& vision) {
  AZ_ASSIGN_OR_RETURN(const int64_t tokens, config.integer_or("mm_tokens_per_image", 256, 1, int64_t{1} << 24));
  const auto side = static_cast<int>(std::sqrt(static_cast<double>(tokens)));
  const int merge = vision.learned_side / side;
  if (merge == 0 || vision.learned_side / merge != side) {
    return invalid_argument("config.json expected mm_tokens_per_image to be the square of a number that pools the " +
                            std::to_string(vision.learned_side) + " patches per side, found " + std::to_string(tokens));
  }
  vision.projector = {.kind = ProjectorKind::average_pool,
                      .merge = merge,
                      .output = hidden,
                      .norm_eps = vision.norm_eps,
                      .norm_plus_one = true};
  return ok_status();
}

Result<ModelSpec> read_model(const JsonView& config) {
  ModelSpec spec;
  spec.prompt = prompt_markup();
  AZ_ASSIGN_OR_RETURN(const JsonView text_config, config.object("text_config"));
  AZ_ASSIGN_OR_RETURN(const std::string text_type, text_config.string_or("model_type", "gemma3_text"));
  AZ_ASSIGN_OR_RETURN(const TextPart* text, find_text_part(text_type));
  AZ_ASSIGN_OR_RETURN(spec.text, text->read(text_config));
  AZ_ASSIGN_OR_RETURN(spec.text.tied_head, config.boolean_or("tie_word_embeddings", spec.text.tied_head));
  AZ_ASSIGN_OR_RETURN(const int64_t soft_token, config.integer_or("image_token_index", 262144, 0, INT32_MAX));
  spec.text.media_ids = {static_cast<int32_t>(soft_token)};  // which may have no row of its own
  spec.text.logit_soft_cap = 0.0f;                           // only the text-only class caps its logits
  for (LayerSpec& layer : spec.text.layers) layer.bidirectional = true;
  AZ_ASSIGN_OR_RETURN(const JsonView vision_config, config.object("vision_config"));
  AZ_ASSIGN_OR_RETURN(const std::string vision_type, vision_config.string_or("model_type", "siglip_vision_model"));
  AZ_ASSIGN_OR_RETURN(const VisionPart* vision, find_vision_part(vision_type));
  AZ_ASSIGN_OR_RETURN(spec.vision, vision->read(vision_config));
  AZ_RETURN_IF_ERROR(read_projector(config, spec.text.hidden, *spec.vision));
  text->add_weights(spec.text, {"model.language_model.", "language_model.model."},
                    {"lm_head.weight", "language_model.lm_head.weight"}, spec.weights);
  vision->add_weights(*spec.vision,
                      {"model.vision_tower.", "vision_tower.vision_model.", "model.vision_tower.vision_model."},
                      spec.weights);
  const NameSet projector({"model.multi_modal_projector.", "multi_modal_projector."});
  projector.add(spec.weights, "tower.projector.norm.weight", "mm_soft_emb_norm.weight", {spec.vision->hidden});
  projector.add(spec.weights, "tower.projector.first.weight", "mm_input_projection_weight",
                {spec.vision->hidden, spec.text.hidden}, Transform::transpose);
  spec.tokenizer_class = "GemmaTokenizer";
  return spec;
}

}  // namespace

TextPart gemma3_text_part() {
  return {"gemma3_text", read_text, add_dense_decoder_weights};
}
Family gemma3_text() {
  return {"gemma3_text", read_text_model, "Gemma-3-1B",
          R"({"model_type": "gemma3_text", "hidden_size": 1152, "num_hidden_layers": 26, "num_attention_heads": 4,
              "num_key_value_heads": 1, "head_dim": 256, "intermediate_size": 6912, "sliding_window": 512,
              "max_position_embeddings": 32768, "rope_theta": 1000000.0, "rope_local_base_freq": 10000.0})"};
}
Family gemma3() {
  return {"gemma3", read_model, "Gemma-3-4B",
          R"({"model_type": "gemma3", "mm_tokens_per_image": 256,
              "text_config": {"model_type": "gemma3_text", "hidden_size": 2560, "intermediate_size": 10240,
                              "num_hidden_layers": 34, "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
                              "sliding_window": 1024},
              "vision_config": {"model_type": "siglip_vision_model", "hidden_size": 1152, "image_size": 896,
                                "intermediate_size": 4304, "num_attention_heads": 16, "num_hidden_layers": 27,
                                "patch_size": 14}})"};
}

}  // namespace azimuth::models
