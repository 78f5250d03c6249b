// Qwen3-VL (arXiv 2511.21631; transformers: Qwen3VLConfig): a tower with an interpolated learned grid, 2-D rotary
// embedding and DeepStack projectors, and the Qwen3 decoder with interleaved M-RoPE.
#include <algorithm>
#include <cmath>

#include "models/parts/config_keys.h"
#include "models/parts/dense_decoder.h"
#include "models/parts/qwen_vl.h"
#include "models/parts/weight_names.h"
#include "models/registry.h"

namespace azimuth::models {
namespace {

constexpr int64_t kMaxWidth = int64_t{1} << 20;
constexpr float kTowerNormEps = 1e-6f;  // not configurable in the reference

Result<TextSpec> read_text(const JsonView& config) {
  return read_dense_decoder(config, {.vocab = 151936,
                                     .intermediate = 22016,
                                     .kv_heads = 32,
                                     .head_dim = 128,
                                     .context = 128000,
                                     .theta = 500000.0,
                                     .qk_norm = true,
                                     .policy = "mrope_i",
                                     .section = {24, 20, 20}});
}

ProjectorSpec merger(const VisionSpec& vision, int merge, int output, bool norm_after_shuffle) {
  return {.kind = ProjectorKind::patch_merger,
          .merge = merge,
          .output = output,
          .norm_eps = vision.norm_eps,
          .norm_after_shuffle = norm_after_shuffle};
}

Status read_tower_shape(const JsonView& config, VisionSpec& vision) {
  AZ_ASSIGN_OR_RETURN(const int64_t depth, config.integer_or("num_hidden_layers", 27, 1, 1024));
  AZ_ASSIGN_OR_RETURN(const int64_t layers, config.integer_or("depth", depth, 1, 1024));
  AZ_ASSIGN_OR_RETURN(const int64_t hidden, config.integer_or("hidden_size", 1152, 4, kMaxWidth));
  AZ_ASSIGN_OR_RETURN(const int64_t attention_heads, config.integer_or("num_attention_heads", 16, 1, 4096));
  AZ_ASSIGN_OR_RETURN(const int64_t heads, config.integer_or("num_heads", attention_heads, 1, 4096));
  AZ_ASSIGN_OR_RETURN(const int64_t intermediate, config.integer_or("intermediate_size", 4304, 1, kMaxWidth));
  if (hidden % (4 * heads) != 0) {
    return invalid_argument(config.where() +
                            " expected hidden_size to be a multiple of 4 * num_heads (2-D rotary turns a quarter of a "
                            "head per axis and half), found hidden_size " +
                            std::to_string(hidden) + " and num_heads " + std::to_string(heads));
  }
  vision.layers = static_cast<int>(layers);
  vision.hidden = static_cast<int>(hidden);
  vision.heads = static_cast<int>(heads);
  vision.head_dim = static_cast<int>(hidden / heads);
  vision.intermediate = static_cast<int>(intermediate);
  vision.norm_eps = kTowerNormEps;
  AZ_ASSIGN_OR_RETURN(vision.activation, read_activation(config, "hidden_act", "gelu_pytorch_tanh"));
  return ok_status();
}

Status read_patches(const JsonView& config, VisionSpec& vision) {
  AZ_ASSIGN_OR_RETURN(const int64_t channels, config.integer_or("in_channels", 3, 1, 64));
  AZ_ASSIGN_OR_RETURN(const int64_t patch, read_square(config, "patch_size", 16, 1, 1024));
  AZ_ASSIGN_OR_RETURN(const int64_t temporal, read_square(config, "temporal_patch_size", 2, 1, 64));
  AZ_ASSIGN_OR_RETURN(const int64_t embeddings,
                      config.integer_or("num_position_embeddings", 2304, 1, int64_t{1} << 24));
  vision.channels = static_cast<int>(channels);
  vision.patch = static_cast<int>(patch);
  vision.temporal_patch = static_cast<int>(temporal);
  vision.learned_side = static_cast<int>(std::sqrt(static_cast<double>(embeddings)));
  vision.learned_rows = embeddings;
  vision.rotary = TowerRotary::axial_halves;
  AZ_ASSIGN_OR_RETURN(const RopeSpec rope, read_rope(config, vision.head_dim, 10000.0, {}));
  vision.rotary_theta = rope.theta;
  return ok_status();
}

Status read_merger(const JsonView& config, VisionSpec& vision) {
  AZ_ASSIGN_OR_RETURN(const int64_t merge, config.integer_or("spatial_merge_size", 2, 1, 64));
  AZ_ASSIGN_OR_RETURN(const int64_t output, config.integer_or("out_hidden_size", 3584, 1, kMaxWidth));
  vision.projector = merger(vision, static_cast<int>(merge), static_cast<int>(output), false);
  return ok_status();
}

Status read_deepstack(const JsonView& config, VisionSpec& vision) {
  std::vector<int64_t> indexes = {8, 16, 24};
  if (config.has("deepstack_visual_indexes")) {
    AZ_ASSIGN_OR_RETURN(indexes, config.integers("deepstack_visual_indexes", 0, 1024));
  }
  for (size_t i = 0; i < indexes.size(); ++i) {
    if (indexes[i] >= vision.layers) continue;  // such a layer never runs, so the reference never reads this projector
    vision.deepstack.push_back({.tower_layer = static_cast<int>(indexes[i]),
                                .weight_index = static_cast<int>(i),
                                .projector = merger(vision, vision.projector.merge, vision.projector.output, true)});
  }
  // The decoder layers take the levels in the order in which the tower reaches them.
  std::stable_sort(vision.deepstack.begin(), vision.deepstack.end(),
                   [](const DeepStackSpec& a, const DeepStackSpec& b) { return a.tower_layer < b.tower_layer; });
  return ok_status();
}

// Qwen3.5 has the tower alone.
Result<VisionSpec> read_plain_vision(const JsonView& config) {
  VisionSpec vision;
  AZ_RETURN_IF_ERROR(read_tower_shape(config, vision));
  AZ_RETURN_IF_ERROR(read_patches(config, vision));
  AZ_RETURN_IF_ERROR(read_merger(config, vision));
  return vision;
}

Result<VisionSpec> read_vision(const JsonView& config) {
  AZ_ASSIGN_OR_RETURN(VisionSpec vision, read_plain_vision(config));
  AZ_RETURN_IF_ERROR(read_deepstack(config, vision));
  return vision;
}

void add_merger_weights(const VisionSpec& vision, const ProjectorSpec& projector, const std::string& slot,
                        const std::string& name, const NameSet& names, WeightMap& map) {
  const int64_t cell = int64_t{vision.hidden} * projector.merge * projector.merge;
  names.add_norm(map, slot + "norm", name + "norm", projector.norm_after_shuffle ? cell : vision.hidden);
  names.add_linear(map, slot + "first", name + "linear_fc1", cell, cell, true);
  names.add_linear(map, slot + "second", name + "linear_fc2", projector.output, cell, true);
}

void add_vision_weights(const VisionSpec& vision, const std::vector<std::string>& prefixes, WeightMap& map) {
  const NameSet names(prefixes);
  const int64_t hidden = vision.hidden;
  names.add(map, "tower.patch.weight", "patch_embed.proj.weight",
            {hidden, vision.channels, vision.temporal_patch, vision.patch, vision.patch}, Transform::flatten);
  names.add(map, "tower.patch.bias", "patch_embed.proj.bias", {hidden});
  names.add(map, "tower.learned_grid", "pos_embed.weight", {vision.learned_rows, hidden});
  for (int i = 0; i < vision.layers; ++i) {
    const std::string slot = "tower.layers." + std::to_string(i) + ".";
    const std::string name = "blocks." + std::to_string(i) + ".";
    names.add_norm(map, slot + "attention_norm", name + "norm1", hidden);
    names.add_linear(map, slot + "qkv", name + "attn.qkv", 3 * hidden, hidden, true);
    names.add_linear(map, slot + "output", name + "attn.proj", hidden, hidden, true);
    names.add_norm(map, slot + "mlp_norm", name + "norm2", hidden);
    names.add_linear(map, slot + "up", name + "mlp.linear_fc1", vision.intermediate, hidden, true);
    names.add_linear(map, slot + "down", name + "mlp.linear_fc2", hidden, vision.intermediate, true);
  }
  add_merger_weights(vision, vision.projector, "tower.projector.", "merger.", names, map);
  for (size_t level = 0; level < vision.deepstack.size(); ++level) {
    const DeepStackSpec& stack = vision.deepstack[level];
    add_merger_weights(vision, stack.projector, "tower.deepstack." + std::to_string(level) + ".",
                       "deepstack_merger_list." + std::to_string(stack.weight_index) + ".", names, map);
  }
}

Result<ModelSpec> read_model(const JsonView& config) {
  return read_qwen_vl(config, {.text = "qwen3_vl_text", .tower = "qwen3_vl_vision", .output = "out_hidden_size"});
}

}  // namespace

TextPart qwen3_vl_text() {
  return {"qwen3_vl_text", read_text, add_dense_decoder_weights};
}
VisionPart qwen3_vl_vision() {
  return {"qwen3_vl_vision", read_vision, add_vision_weights};
}
VisionPart qwen3_5_vision() {
  return {"qwen3_5_vision", read_plain_vision, add_vision_weights};
}
Family qwen3_vl() {
  return {"qwen3_vl", read_model, "Qwen3-VL-8B",
          R"({"model_type": "qwen3_vl",
              "text_config": {"model_type": "qwen3_vl_text", "hidden_size": 4096, "num_hidden_layers": 36,
                              "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128,
                              "max_position_embeddings": 262144, "rope_theta": 5000000.0,
                              "rope_scaling": {"rope_type": "default", "mrope_section": [24, 20, 20],
                                               "mrope_interleaved": true}},
              "vision_config": {"model_type": "qwen3_vl", "out_hidden_size": 4096}})"};
}

}  // namespace azimuth::models
