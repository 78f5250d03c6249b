// Gemma 4 (transformers: Gemma4Config): a tower of any aspect ratio with learned tables of columns and rows, 2-D rotary
// embedding and pooled patches, in front of the decoder of gemma4_text.cc.
#include <array>
#include <string_view>
#include <utility>

#include "models/parts/config_keys.h"
#include "models/parts/weight_names.h"
#include "models/registry.h"

namespace azimuth::models {
namespace {

constexpr int64_t kMaxWidth = int64_t{1} << 20;

// Keys of config.json that name the placeholders of media, and their defaults.
constexpr std::array<std::pair<std::string_view, int64_t>, 3> kPlaceholders = {
    {{"image_token_id", 258880}, {"video_token_id", 258884}, {"audio_token_id", 258881}}};

Status read_tower_shape(const JsonView& config, VisionSpec& vision) {
  AZ_ASSIGN_OR_RETURN(const int64_t layers, config.integer_or("num_hidden_layers", 16, 1, 1024));
  AZ_ASSIGN_OR_RETURN(const int64_t hidden, config.integer_or("hidden_size", 768, 1, kMaxWidth));
  AZ_ASSIGN_OR_RETURN(const int64_t heads, config.integer_or("num_attention_heads", 12, 1, 4096));
  AZ_ASSIGN_OR_RETURN(const int64_t kv_heads, config.integer_or("num_key_value_heads", 12, 1, heads));
  AZ_ASSIGN_OR_RETURN(const int64_t head_dim, config.integer_or("head_dim", 64, 4, 512));
  AZ_ASSIGN_OR_RETURN(const int64_t intermediate, config.integer_or("intermediate_size", 3072, 1, kMaxWidth));
  AZ_ASSIGN_OR_RETURN(const double eps, config.number_or("rms_norm_eps", 1e-6, 0.0, 1.0));
  if (heads % kv_heads != 0) {
    return invalid_argument(config.where() +
                            " expected num_attention_heads to be a multiple of num_key_value_heads, "
                            "found " +
                            std::to_string(heads) + " and " + std::to_string(kv_heads));
  }
  vision.layers = static_cast<int>(layers);
  vision.hidden = static_cast<int>(hidden);
  vision.heads = static_cast<int>(heads);
  vision.kv_heads = static_cast<int>(kv_heads);
  vision.head_dim = static_cast<int>(head_dim);
  vision.intermediate = static_cast<int>(intermediate);
  vision.norm_eps = static_cast<float>(eps);
  AZ_ASSIGN_OR_RETURN(vision.activation, read_activation(config, "hidden_activation", "gelu_pytorch_tanh"));
  AZ_ASSIGN_OR_RETURN(vision.clipped, config.boolean_or("use_clipped_linears", false));
  vision.norm = NormKind::rms;
  vision.qkv_bias = false;
  vision.gated_mlp = vision.post_norms = vision.value_norm = true;
  vision.qk_norm = TowerQkNorm::per_head;
  vision.attention_scale = 1.0f;
  return ok_status();
}

Status read_patches(const JsonView& config, VisionSpec& vision) {
  AZ_ASSIGN_OR_RETURN(const int64_t patch, config.integer_or("patch_size", 16, 1, 1024));
  AZ_ASSIGN_OR_RETURN(vision.learned_axis_rows,
                      config.integer_or("position_embedding_size", 10240, 1, int64_t{1} << 24));
  vision.patch = static_cast<int>(patch);
  vision.order = PatchOrder::raster;
  vision.centred_pixels = true;
  vision.rotary = TowerRotary::axial_split;
  AZ_ASSIGN_OR_RETURN(const RopeSpec rope, read_rope(config, vision.head_dim, 100.0, {}));
  vision.rotary_theta = rope.theta;
  return ok_status();
}

Result<VisionSpec> read_vision(const JsonView& config) {
  VisionSpec vision;
  AZ_RETURN_IF_ERROR(read_tower_shape(config, vision));
  AZ_RETURN_IF_ERROR(read_patches(config, vision));
  AZ_ASSIGN_OR_RETURN(const int64_t pool, config.integer_or("pooling_kernel_size", 3, 1, 64));
  vision.projector.kind = ProjectorKind::position_pool;
  vision.projector.merge = static_cast<int>(pool);
  vision.projector.norm_eps = vision.norm_eps;
  AZ_ASSIGN_OR_RETURN(vision.projector.standardise, config.boolean_or("standardize", false));
  return vision;
}

// A product of the tower, with the bounds of its inputs and outputs where it has them.
void add_product(const VisionSpec& vision, const std::string& slot, const std::string& name, int64_t outputs,
                 int64_t inputs, const NameSet& names, WeightMap& map) {
  names.add(map, slot + ".weight", name + ".linear.weight", {outputs, inputs});
  if (!vision.clipped) return;
  for (const char* bound : {"input_min", "input_max", "output_min", "output_max"}) {
    names.add(map, slot + "." + bound, name + "." + bound, Shape({}));
  }
}

void add_layer_weights(const VisionSpec& vision, const std::string& slot, const std::string& name, const NameSet& names,
                       WeightMap& map) {
  const int64_t hidden = vision.hidden;
  const int64_t query = int64_t{vision.heads} * vision.head_dim;
  const int64_t key = int64_t{vision.kv_heads} * vision.head_dim;
  names.add(map, slot + "attention_norm.weight", name + "input_layernorm.weight", {hidden});
  names.add(map, slot + "attention_post_norm.weight", name + "post_attention_layernorm.weight", {hidden});
  names.add(map, slot + "mlp_norm.weight", name + "pre_feedforward_layernorm.weight", {hidden});
  names.add(map, slot + "mlp_post_norm.weight", name + "post_feedforward_layernorm.weight", {hidden});
  names.add(map, slot + "query_norm.weight", name + "self_attn.q_norm.weight", {vision.head_dim});
  names.add(map, slot + "key_norm.weight", name + "self_attn.k_norm.weight", {vision.head_dim});
  if (vision.clipped) {
    add_product(vision, slot + "query", name + "self_attn.q_proj", query, hidden, names, map);
    add_product(vision, slot + "key", name + "self_attn.k_proj", key, hidden, names, map);
    add_product(vision, slot + "value", name + "self_attn.v_proj", key, hidden, names, map);
  } else {
    const std::string attention = name + "self_attn.";
    names.add_stacked_linear(map, slot + "qkv",
                             {attention + "q_proj.linear", attention + "k_proj.linear", attention + "v_proj.linear"},
                             {query, key, key}, hidden, false);
  }
  add_product(vision, slot + "output", name + "self_attn.o_proj", hidden, query, names, map);
  add_product(vision, slot + "gate", name + "mlp.gate_proj", vision.intermediate, hidden, names, map);
  add_product(vision, slot + "up", name + "mlp.up_proj", vision.intermediate, hidden, names, map);
  add_product(vision, slot + "down", name + "mlp.down_proj", hidden, vision.intermediate, names, map);
}

// `prefixes` lead to the model that holds tower and projector.
void add_vision_weights(const VisionSpec& vision, const std::vector<std::string>& prefixes, WeightMap& map) {
  const NameSet names(prefixes);
  const int64_t hidden = vision.hidden;
  const std::string tower = "vision_tower.";
  names.add(map, "tower.patch.weight", tower + "patch_embedder.input_proj.weight", {hidden, vision.patch_elements()});
  names.add(map, "tower.learned_axes", tower + "patch_embedder.position_embedding_table",
            {2, vision.learned_axis_rows, hidden});
  for (int i = 0; i < vision.layers; ++i) {
    const std::string number = std::to_string(i) + ".";
    add_layer_weights(vision, "tower.layers." + number, tower + "encoder.layers." + number, names, map);
  }
  if (vision.projector.standardise) {
    names.add(map, "tower.projector.mean", tower + "std_bias", {hidden});
    names.add(map, "tower.projector.scale", tower + "std_scale", {hidden});
  }
  names.add(map, "tower.projector.second.weight", "embed_vision.embedding_projection.weight",
            {vision.projector.output, hidden});
}

// Source: transformers, processing_gemma4.py.
PromptSpec prompt_markup(const TextSpec& text) {
  PromptSpec prompt;
  prompt.image = {
      .expansion = PromptExpansion::per_cell, .placeholder = "<|image|>", .start = "<|image>", .end = "<image|>"};
  prompt.video = {
      .expansion = PromptExpansion::clocked_frames, .placeholder = "<|video|>", .start = "<|image>", .end = "<image|>"};
  prompt.refused = {"<|audio|>"};
  prompt.adds_bos_to_chat = true;
  for (const LayerSpec& layer : text.layers) {
    if (layer.bidirectional) prompt.closed_regions = ClosedRegions::media_spans;
  }
  return prompt;
}

Status read_tower(const JsonView& config, ModelSpec& spec) {
  AZ_ASSIGN_OR_RETURN(const VisionPart* vision, find_vision_part("gemma4_vision"));
  AZ_ASSIGN_OR_RETURN(spec.vision, vision->read(config));
  spec.vision->projector.output = spec.text.hidden;
  spec.prompt = prompt_markup(spec.text);
  vision->add_weights(*spec.vision, {"model.", ""}, spec.weights);
  return ok_status();
}

Result<ModelSpec> read_model(const JsonView& config) {
  ModelSpec spec;
  AZ_ASSIGN_OR_RETURN(const JsonView text_config, config.object("text_config"));
  AZ_ASSIGN_OR_RETURN(const TextPart* text, find_text_part("gemma4_text"));
  AZ_ASSIGN_OR_RETURN(spec.text, text->read(text_config));
  AZ_ASSIGN_OR_RETURN(spec.text.tied_head, config.boolean_or("tie_word_embeddings", spec.text.tied_head));
  for (const auto& [key, fallback] : kPlaceholders) {
    AZ_ASSIGN_OR_RETURN(const int64_t id, config.integer_or(key, fallback, 0, int64_t{1} << 24));
    spec.text.media_ids.push_back(static_cast<int32_t>(id));
  }
  text->add_weights(spec.text, {"model.language_model.", "language_model.", "language_model.model."},
                    {"lm_head.weight", "model.lm_head.weight", "language_model.lm_head.weight"}, spec.weights);
  spec.tokenizer_class = "GemmaTokenizer";
  if (config.has("vision_config")) {  // a checkpoint may come without its tower
    AZ_ASSIGN_OR_RETURN(const JsonView vision_config, config.object("vision_config"));
    AZ_RETURN_IF_ERROR(read_tower(vision_config, spec));
  }
  return spec;
}

}  // namespace

VisionPart gemma4_vision() {
  return {"gemma4_vision", read_vision, add_vision_weights};
}
Family gemma4() {
  return {"gemma4", read_model, "Gemma-4-26B-A4B",
          R"({"model_type": "gemma4",
              "text_config": {"model_type": "gemma4_text", "hidden_size": 2816, "num_hidden_layers": 30,
                              "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 256,
                              "global_head_dim": 512, "num_global_key_value_heads": 2, "attention_k_eq_v": true,
                              "hidden_size_per_layer_input": 0, "enable_moe_block": true, "num_experts": 128,
                              "top_k_experts": 8, "moe_intermediate_size": 704, "max_position_embeddings": 262144},
              "vision_config": {"model_type": "gemma4_vision"}})"};
}

}  // namespace azimuth::models
