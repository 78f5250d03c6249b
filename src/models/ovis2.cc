// Ovis2 (arXiv 2405.20797; transformers: Ovis2Config): an AIMv2 tower, a visual vocabulary with its own embedding
// table, and any text part.
#include "models/parts/config_keys.h"
#include "models/parts/joined_model.h"
#include "models/parts/weight_names.h"
#include "models/registry.h"

namespace azimuth::models {
namespace {

constexpr int64_t kMaxWidth = int64_t{1} << 20;
constexpr int64_t kMaxVocab = int64_t{1} << 24;
constexpr int64_t kMaxSidePixels = int64_t{1} << 14;
constexpr float kHeadNormEps = 1e-5f;  // not configurable in the reference
constexpr int64_t kDefaultIndicators = 5;

Status read_layers(const JsonView& config, VisionSpec& vision) {
  AZ_ASSIGN_OR_RETURN(const int64_t layers, config.integer_or("num_hidden_layers", 24, 1, 1024));
  AZ_ASSIGN_OR_RETURN(const int64_t hidden, config.integer_or("hidden_size", 1024, 1, kMaxWidth));
  AZ_ASSIGN_OR_RETURN(const int64_t heads, config.integer_or("num_attention_heads", 8, 1, 4096));
  AZ_ASSIGN_OR_RETURN(const int64_t intermediate, config.integer_or("intermediate_size", 2816, 1, kMaxWidth));
  if (hidden % heads != 0) {
    return invalid_argument(config.where() + " expected hidden_size to be a multiple of num_attention_heads, found " +
                            std::to_string(hidden) + " and " + std::to_string(heads));
  }
  vision.layers = static_cast<int>(layers);
  vision.hidden = static_cast<int>(hidden);
  vision.heads = static_cast<int>(heads);
  vision.head_dim = static_cast<int>(hidden / heads);
  vision.intermediate = static_cast<int>(intermediate);
  vision.norm = NormKind::rms;
  vision.gated_mlp = vision.patch_norm = vision.final_norm = true;
  AZ_ASSIGN_OR_RETURN(const double eps, config.number_or("rms_norm_eps", 1e-5, 0.0, 1.0));
  vision.norm_eps = static_cast<float>(eps);
  AZ_ASSIGN_OR_RETURN(vision.activation, read_activation(config, "hidden_act", "silu"));
  AZ_ASSIGN_OR_RETURN(vision.qkv_bias, config.boolean_or("qkv_bias", false));
  AZ_ASSIGN_OR_RETURN(vision.mlp_bias, config.boolean_or("mlp_bias", false));
  return ok_status();
}

Status read_patches(const JsonView& config, VisionSpec& vision) {
  AZ_ASSIGN_OR_RETURN(const int64_t channels, config.integer_or("num_channels", 3, 3, 3));
  AZ_ASSIGN_OR_RETURN(const int64_t patch, read_square(config, "patch_size", 14, 1, 1024));
  AZ_ASSIGN_OR_RETURN(const int64_t image, read_square(config, "image_size", 224, patch, kMaxSidePixels));
  vision.channels = static_cast<int>(channels);
  vision.patch = static_cast<int>(patch);
  vision.learned_side = static_cast<int>(image / patch);
  vision.learned_rows = int64_t{vision.learned_side} * vision.learned_side;
  vision.resample = GridResample::bicubic;
  return ok_status();
}

Status read_vocabulary(const JsonView& config, VisionSpec& vision) {
  AZ_ASSIGN_OR_RETURN(const int64_t stride, config.integer_or("hidden_stride", 1, 1, 64));
  AZ_ASSIGN_OR_RETURN(const int64_t indicators,
                      config.integer_or("num_visual_indicator_tokens", kDefaultIndicators, 0, kMaxVocab));
  AZ_ASSIGN_OR_RETURN(const int64_t vocab, config.integer_or("vocab_size", 16384, indicators + 1, kMaxVocab));
  AZ_ASSIGN_OR_RETURN(const std::string function, config.string_or("tokenize_function", "softmax"));
  if (function != "softmax" && function != "st_argmax") {
    return unsupported(config.where() + ".tokenize_function expected softmax or st_argmax, found " +
                       quote_json(function) + "; one that draws words at random has no answer to reproduce");
  }
  vision.projector.kind = ProjectorKind::visual_table;
  vision.projector.merge = static_cast<int>(stride);
  vision.projector.norm_eps = kHeadNormEps;
  vision.projector.visual_words = function == "softmax" ? VisualWords::weighted : VisualWords::largest;
  vision.projector.vocab = vocab - indicators;
  vision.projector.indicators = indicators;
  return ok_status();
}

Result<VisionSpec> read_vision(const JsonView& config) {
  VisionSpec vision;
  AZ_RETURN_IF_ERROR(read_layers(config, vision));
  AZ_RETURN_IF_ERROR(read_patches(config, vision));
  AZ_RETURN_IF_ERROR(read_vocabulary(config, vision));
  return vision;
}

void add_vision_weights(const VisionSpec& vision, const std::vector<std::string>& prefixes, WeightMap& map) {
  const NameSet names(prefixes);
  const int64_t hidden = vision.hidden;
  names.add(map, "tower.patch.weight", "transformer.embeddings.patch_embedding.weight",
            {hidden, vision.channels, vision.patch, vision.patch}, Transform::flatten);
  names.add(map, "tower.patch.bias", "transformer.embeddings.patch_embedding.bias", {hidden});
  names.add(map, "tower.patch_norm.weight", "transformer.embeddings.rms_norm.weight", {hidden});
  names.add(map, "tower.learned_grid", "transformer.embeddings.position_embedding.weight",
            {vision.learned_rows, hidden});
  names.add(map, "tower.final_norm.weight", "transformer.rms_norm.weight", {hidden});
  for (int i = 0; i < vision.layers; ++i) {
    const std::string slot = "tower.layers." + std::to_string(i) + ".";
    const std::string name = "transformer.encoder.layers." + std::to_string(i) + ".";
    const std::string attention = name + "attention.";
    names.add(map, slot + "attention_norm.weight", name + "rms_norm1.weight", {hidden});
    names.add_stacked_linear(map, slot + "qkv", {attention + "q_proj", attention + "k_proj", attention + "v_proj"},
                             {hidden, hidden, hidden}, hidden, vision.qkv_bias);
    names.add_linear(map, slot + "output", attention + "out_proj", hidden, hidden, vision.qkv_bias);
    names.add(map, slot + "mlp_norm.weight", name + "rms_norm2.weight", {hidden});
    names.add_linear(map, slot + "gate", name + "ffn.gate_proj", vision.intermediate, hidden, vision.mlp_bias);
    names.add_linear(map, slot + "up", name + "ffn.up_proj", vision.intermediate, hidden, vision.mlp_bias);
    names.add_linear(map, slot + "down", name + "ffn.down_proj", hidden, vision.intermediate, vision.mlp_bias);
  }
  const int64_t cell = hidden * vision.projector.merge * vision.projector.merge;
  names.add_linear(map, "tower.projector.first", "head_linear", vision.projector.vocab, cell, false);
  names.add_norm(map, "tower.projector.norm", "head_norm", vision.projector.vocab);
}

// The rows of the visual table: words first, then the indicators, which stand in the prompt.
void add_table_weights(const VisionSpec& vision, WeightMap& map) {
  const int64_t words = vision.projector.vocab;
  const int64_t indicators = vision.projector.indicators;
  WeightRule rule{{"model.visual_embeddings_table.weight", "visual_embeddings_table.weight"},
                  {words + indicators, vision.projector.output}};
  if (indicators > 0) {
    rule.first_row = words;
    rule.row_count = indicators;
    map.add("decoder.media_tokens", rule);
  }
  rule.first_row = 0;
  rule.row_count = words;
  rule.transform = Transform::transpose;
  map.add("tower.projector.second.weight", rule);
}

Status read_indicators(const JsonView& config, const VisionSpec& vision, TextSpec& text) {
  text.media_token_ids = {151666, 151667, 151668, 151669, 151670};
  if (config.has("visual_indicator_token_ids")) {
    AZ_ASSIGN_OR_RETURN(text.media_token_ids, config.integers("visual_indicator_token_ids", 0, kMaxVocab));
  }
  const auto ids = static_cast<int64_t>(text.media_token_ids.size());
  if (ids <= vision.projector.indicators) return ok_status();
  return invalid_argument(config.where() + ": visual_indicator_token_ids expected at most " +
                          std::to_string(vision.projector.indicators) +
                          " ids (vision_config.num_visual_indicator_tokens), found " + std::to_string(ids));
}

// Source: transformers, processing_ovis2.py.
PromptSpec prompt_markup() {
  PromptSpec prompt;
  prompt.image = {.expansion = PromptExpansion::tile_rows,
                  .placeholder = "<IMG_ATOM>",
                  .start = "<IMG_START>",
                  .end = "<IMG_END>",
                  .marker = "<image>",
                  .after_whole = "<IMG_GRID>",
                  .between_columns = "<IMG_COL>",
                  .between_rows = "<IMG_ROW>"};
  prompt.adds_bos_to_chat = true;
  return prompt;
}

Result<ModelSpec> read_model(const JsonView& config) {
  AZ_ASSIGN_OR_RETURN(JoinedModel model, read_joined_model(config, {.text = "qwen2", .vision = "ovis2_vision"}));
  ModelSpec& spec = model.spec;
  spec.prompt = prompt_markup();
  spec.tokenizer_class = "Qwen2Tokenizer";
  spec.vision->projector.output = spec.text.hidden;
  AZ_RETURN_IF_ERROR(read_indicators(config, *spec.vision, spec.text));
  add_joined_weights(model);
  add_table_weights(*spec.vision, spec.weights);
  return std::move(spec);
}

}  // namespace

VisionPart ovis2_vision() {
  return {"ovis2_vision", read_vision, add_vision_weights};
}
Family ovis2() {
  return {"ovis2", read_model, "Ovis2-8B",
          R"({"model_type": "ovis2", "tie_word_embeddings": false,
              "text_config": {"model_type": "qwen2", "hidden_size": 3584, "num_hidden_layers": 28,
                              "num_attention_heads": 28, "num_key_value_heads": 4,
                              "max_position_embeddings": 32768, "rope_theta": 1000000.0},
              "vision_config": {"model_type": "ovis2_vision"}})"};
}

}  // namespace azimuth::models
