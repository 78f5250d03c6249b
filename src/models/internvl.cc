// InternVL 3 and 3.5 in the -hf form (arXiv 2504.10479, 2508.18265; transformers: InternVLConfig): InternViT in its
// small variant (layer norm) and its large one (RMS norm, norms of queries and keys), a pixel shuffle, and any text
// part.
#include <cmath>

#include "models/parts/config_keys.h"
#include "models/parts/joined_model.h"
#include "models/parts/weight_names.h"
#include "models/registry.h"

namespace azimuth::models {
namespace {

constexpr int64_t kMaxWidth = int64_t{1} << 20;
constexpr int64_t kMaxSidePixels = int64_t{1} << 14;
constexpr float kQkNormEps = 1e-6f;         // not configurable in the reference, nor is
constexpr float kProjectorNormEps = 1e-5f;  // that of the projector

Status read_layers(const JsonView& config, VisionSpec& vision) {
  AZ_ASSIGN_OR_RETURN(const int64_t layers, config.integer_or("num_hidden_layers", 24, 1, 1024));
  AZ_ASSIGN_OR_RETURN(const int64_t hidden, config.integer_or("hidden_size", 1024, 1, kMaxWidth));
  AZ_ASSIGN_OR_RETURN(const int64_t heads, config.integer_or("num_attention_heads", 16, 1, 4096));
  AZ_ASSIGN_OR_RETURN(const int64_t intermediate, config.integer_or("intermediate_size", 4096, 1, kMaxWidth));
  if (hidden % heads != 0) {
    return invalid_argument(config.where() + " expected hidden_size to be a multiple of num_attention_heads, found " +
                            std::to_string(hidden) + " and " + std::to_string(heads));
  }
  vision.layers = static_cast<int>(layers);
  vision.hidden = static_cast<int>(hidden);
  vision.heads = static_cast<int>(heads);
  vision.head_dim = static_cast<int>(hidden / heads);
  vision.intermediate = static_cast<int>(intermediate);
  vision.layer_scale = true;
  AZ_ASSIGN_OR_RETURN(vision.activation, read_activation(config, "hidden_act", "gelu"));
  AZ_ASSIGN_OR_RETURN(vision.qkv_bias, config.boolean_or("attention_bias", false));
  AZ_ASSIGN_OR_RETURN(const bool mean_pooling, config.boolean_or("use_mean_pooling", true));
  vision.final_norm = !mean_pooling;
  return ok_status();
}

Status read_norms(const JsonView& config, VisionSpec& vision) {
  AZ_ASSIGN_OR_RETURN(const double eps, config.number_or("layer_norm_eps", 1e-6, 0.0, 1.0));
  vision.norm_eps = static_cast<float>(eps);
  AZ_ASSIGN_OR_RETURN(const std::string norm, config.string_or("norm_type", "layer_norm"));
  if (norm != "layer_norm" && norm != "rms_norm") {
    return unsupported(config.where() + ".norm_type expected layer_norm or rms_norm, found " + quote_json(norm));
  }
  vision.norm = norm == "rms_norm" ? NormKind::rms : NormKind::layer;
  AZ_ASSIGN_OR_RETURN(const bool qk_norm, config.boolean_or("use_qk_norm", false));
  vision.qk_norm = qk_norm ? TowerQkNorm::all_heads : TowerQkNorm::none;
  vision.qk_norm_eps = kQkNormEps;
  return ok_status();
}

Status read_patches(const JsonView& config, VisionSpec& vision) {
  AZ_ASSIGN_OR_RETURN(const int64_t channels, config.integer_or("num_channels", 3, 3, 3));
  AZ_ASSIGN_OR_RETURN(const int64_t patch, read_square(config, "patch_size", 14, 1, 1024));
  AZ_ASSIGN_OR_RETURN(const int64_t image, read_square(config, "image_size", 448, patch, kMaxSidePixels));
  AZ_ASSIGN_OR_RETURN(const bool positions, config.boolean_or("use_absolute_position_embeddings", true));
  vision.channels = static_cast<int>(channels);
  vision.patch = static_cast<int>(patch);
  vision.class_tokens = 1;
  vision.class_positions = positions;
  vision.learned_side = positions ? static_cast<int>(image / patch) : 0;
  vision.learned_rows = int64_t{vision.learned_side} * vision.learned_side + 1;
  vision.resample = GridResample::bicubic;
  return ok_status();
}

Result<VisionSpec> read_vision(const JsonView& config) {
  VisionSpec vision;
  AZ_RETURN_IF_ERROR(read_layers(config, vision));
  AZ_RETURN_IF_ERROR(read_norms(config, vision));
  AZ_RETURN_IF_ERROR(read_patches(config, vision));
  vision.video_arrangement = FeatureArrangement::frames_in_order;
  return vision;
}

void add_vision_weights(const VisionSpec& vision, const std::vector<std::string>& prefixes, WeightMap& map) {
  const NameSet names(prefixes);
  const int64_t hidden = vision.hidden;
  const auto add_norm = [&](const std::string& slot, const std::string& name) {
    if (vision.norm == NormKind::layer) return names.add_norm(map, slot, name, hidden);
    names.add(map, slot + ".weight", name + ".weight", {hidden});
  };
  names.add(map, "tower.patch.weight", "embeddings.patch_embeddings.projection.weight",
            {hidden, vision.channels, vision.patch, vision.patch}, Transform::flatten);
  names.add(map, "tower.patch.bias", "embeddings.patch_embeddings.projection.bias", {hidden});
  names.add(map, "tower.class_tokens", "embeddings.cls_token", {1, 1, hidden}, Transform::drop_first);
  names.add(map, "tower.learned_grid", "embeddings.position_embeddings", {1, vision.learned_rows, hidden},
            Transform::drop_first);
  if (vision.final_norm) names.add_norm(map, "tower.final_norm", "layernorm", hidden);
  for (int i = 0; i < vision.layers; ++i) {
    const std::string slot = "tower.layers." + std::to_string(i) + ".";
    const std::string name = "encoder.layer." + std::to_string(i) + ".";
    const std::string attention = name + "attention.";
    add_norm(slot + "attention_norm", name + "layernorm_before");
    names.add_stacked_linear(map, slot + "qkv", {attention + "q_proj", attention + "k_proj", attention + "v_proj"},
                             {hidden, hidden, hidden}, hidden, vision.qkv_bias);
    if (vision.qk_norm != TowerQkNorm::none) {
      names.add(map, slot + "query_norm.weight", attention + "q_norm.weight", {hidden});
      names.add(map, slot + "key_norm.weight", attention + "k_norm.weight", {hidden});
    }
    names.add_linear(map, slot + "output", attention + "projection_layer", hidden, hidden, true);
    names.add(map, slot + "attention_scale", name + "lambda_1", {hidden});
    add_norm(slot + "mlp_norm", name + "layernorm_after");
    names.add_linear(map, slot + "up", name + "mlp.fc1", vision.intermediate, hidden, true);
    names.add_linear(map, slot + "down", name + "mlp.fc2", hidden, vision.intermediate, true);
    names.add(map, slot + "mlp_scale", name + "lambda_2", {hidden});
  }
}

// Cells per side that the pixel shuffle makes one token of.
Result<int> read_merge(const JsonView& config) {
  AZ_ASSIGN_OR_RETURN(const double ratio, config.number_or("downsample_ratio", 0.5, 1.0 / 64, 1.0));
  const double merge = std::round(1.0 / ratio);
  if (std::abs(merge * ratio - 1.0) < 1e-6) return static_cast<int>(merge);
  return invalid_argument(config.where() + ": downsample_ratio expected one over a whole number, found " +
                          std::to_string(ratio));
}

// vision_feature_layer counts the embedding as 0; -1 is what the tower gives, later negative ones count from the last
// layer.
Status read_feature_layer(const JsonView& config, VisionSpec& vision) {
  AZ_ASSIGN_OR_RETURN(const int64_t layer,
                      config.integer_or("vision_feature_layer", -1, -vision.layers - 1, vision.layers));
  if (layer == -1) return ok_status();
  vision.feature_layers = {static_cast<int>(layer < 0 ? vision.layers + layer : layer - 1)};
  return ok_status();
}

Status read_projector(const JsonView& config, int output, VisionSpec& vision) {
  AZ_ASSIGN_OR_RETURN(const std::string strategy, config.string_or("vision_feature_select_strategy", "default"));
  if (strategy != "default") {
    return unsupported(config.where() +
                       ": vision_feature_select_strategy expected \"default\" (without the class token), found " +
                       quote_json(strategy));
  }
  vision.projector.kind = ProjectorKind::patch_merger;
  AZ_ASSIGN_OR_RETURN(vision.projector.merge, read_merge(config));
  vision.projector.output = output;
  vision.projector.norm_eps = kProjectorNormEps;
  vision.projector.norm_after_shuffle = true;
  AZ_ASSIGN_OR_RETURN(vision.projector.activation, read_activation(config, "projector_hidden_act", "gelu"));
  return read_feature_layer(config, vision);
}

void add_projector_weights(const VisionSpec& vision, WeightMap& map) {
  const NameSet names({"model.multi_modal_projector.", "multi_modal_projector."});
  const int64_t cell = int64_t{vision.hidden} * vision.projector.merge * vision.projector.merge;
  const int64_t output = vision.projector.output;
  names.add_norm(map, "tower.projector.norm", "layer_norm", cell);
  names.add_linear(map, "tower.projector.first", "linear_1", output, cell, true);
  names.add_linear(map, "tower.projector.second", "linear_2", output, output, true);
}

// Source: transformers, processing_internvl.py.
PromptSpec prompt_markup() {
  PromptSpec prompt;
  prompt.image = {
      .expansion = PromptExpansion::per_cell, .placeholder = "<IMG_CONTEXT>", .start = "<img>", .end = "</img>"};
  prompt.video = {.expansion = PromptExpansion::numbered_frames,
                  .placeholder = "<IMG_CONTEXT>",
                  .start = "<img>",
                  .end = "</img>",
                  .marker = "<video>"};
  prompt.adds_bos_to_chat = true;
  return prompt;
}

Result<ModelSpec> read_model(const JsonView& config) {
  AZ_ASSIGN_OR_RETURN(JoinedModel model, read_joined_model(config, {.text = "qwen2", .vision = "internvl_vision"}));
  ModelSpec& spec = model.spec;
  spec.prompt = prompt_markup();
  spec.tokenizer_class = "Qwen2Tokenizer";
  AZ_RETURN_IF_ERROR(read_projector(config, spec.text.hidden, *spec.vision));
  add_joined_weights(model);
  add_projector_weights(*spec.vision, spec.weights);
  return std::move(spec);
}

}  // namespace

VisionPart internvl_vision() {
  return {"internvl_vision", read_vision, add_vision_weights};
}
Family internvl() {
  return {"internvl", read_model, "InternVL3.5-8B",
          R"({"model_type": "internvl", "tie_word_embeddings": false,
              "text_config": {"model_type": "qwen3", "hidden_size": 4096, "num_hidden_layers": 36,
                              "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128,
                              "max_position_embeddings": 40960, "rope_theta": 1000000.0},
              "vision_config": {"model_type": "internvl_vision"}})"};
}

}  // namespace azimuth::models
