#include "models/parts/qwen_tower.h"

#include "models/parts/config_keys.h"
#include "models/parts/weight_names.h"

namespace azimuth::models {
namespace {

constexpr int64_t kMaxWidth = int64_t{1} << 20;
constexpr float kTowerNormEps = 1e-6f;  // not configurable in the reference

void add_norm(const NameSet& names, const VisionSpec& vision, const std::string& slot, const std::string& name,
              WeightMap& map) {
  if (vision.norm == NormKind::layer) return names.add_norm(map, slot, name, vision.hidden);
  names.add(map, slot + ".weight", name + ".weight", {vision.hidden});
}

void add_mlp(const NameSet& names, const VisionSpec& vision, const std::string& slot, const std::string& name,
             WeightMap& map) {
  const int64_t inner = vision.intermediate;
  if (vision.gated_mlp) names.add_linear(map, slot + "gate", name + "gate_proj", inner, vision.hidden, true);
  names.add_linear(map, slot + "up", name + (vision.gated_mlp ? "up_proj" : "fc1"), inner, vision.hidden, true);
  names.add_linear(map, slot + "down", name + (vision.gated_mlp ? "down_proj" : "fc2"), vision.hidden, inner, true);
}

}  // namespace

Result<VisionSpec> read_qwen_tower(const JsonView& config, const QwenTowerKeys& keys) {
  VisionSpec vision;
  AZ_ASSIGN_OR_RETURN(const int64_t layers, config.integer_or("depth", 32, 1, 1024));
  AZ_ASSIGN_OR_RETURN(const int64_t hidden, config.integer_or(keys.hidden, keys.default_hidden, 4, kMaxWidth));
  AZ_ASSIGN_OR_RETURN(const int64_t heads, config.integer_or("num_heads", 16, 1, 4096));
  AZ_ASSIGN_OR_RETURN(const int64_t channels, config.integer_or("in_channels", 3, 1, 64));
  AZ_ASSIGN_OR_RETURN(const int64_t patch, read_square(config, "patch_size", 14, 1, 1024));
  AZ_ASSIGN_OR_RETURN(const int64_t temporal, read_square(config, "temporal_patch_size", 2, 1, 64));
  AZ_ASSIGN_OR_RETURN(const int64_t merge, config.integer_or("spatial_merge_size", 2, 1, 64));
  AZ_ASSIGN_OR_RETURN(const int64_t output, config.integer_or(keys.output, 3584, 1, kMaxWidth));
  if (hidden % (4 * heads) != 0) {
    return invalid_argument(config.where() + " expected " + std::string(keys.hidden) +
                            " to be a multiple of 4 * num_heads (2-D rotary turns a quarter of a head per axis and "
                            "half), found " +
                            std::to_string(hidden) + " and num_heads " + std::to_string(heads));
  }
  vision.layers = static_cast<int>(layers);
  vision.hidden = static_cast<int>(hidden);
  vision.heads = static_cast<int>(heads);
  vision.head_dim = static_cast<int>(hidden / heads);
  vision.norm_eps = kTowerNormEps;
  vision.channels = static_cast<int>(channels);
  vision.patch = static_cast<int>(patch);
  vision.temporal_patch = static_cast<int>(temporal);
  vision.rotary = TowerRotary::axial_halves;
  AZ_ASSIGN_OR_RETURN(const RopeSpec rope, read_rope(config, vision.head_dim, 10000.0, {}));
  vision.rotary_theta = rope.theta;
  vision.projector = {.kind = ProjectorKind::patch_merger,
                      .merge = static_cast<int>(merge),
                      .output = static_cast<int>(output),
                      .norm_eps = kTowerNormEps};
  return vision;
}

void add_qwen_tower_weights(const VisionSpec& vision, const std::vector<std::string>& prefixes, WeightMap& map) {
  const NameSet names(prefixes);
  const int64_t hidden = vision.hidden;
  const int64_t cell = hidden * vision.projector.merge * vision.projector.merge;
  names.add(map, "tower.patch.weight", "patch_embed.proj.weight",
            {hidden, vision.channels, vision.temporal_patch, vision.patch, vision.patch}, Transform::flatten);
  for (int i = 0; i < vision.layers; ++i) {
    const std::string slot = "tower.layers." + std::to_string(i) + ".";
    const std::string name = "blocks." + std::to_string(i) + ".";
    add_norm(names, vision, slot + "attention_norm", name + "norm1", map);
    names.add_linear(map, slot + "qkv", name + "attn.qkv", 3 * hidden, hidden, true);
    names.add_linear(map, slot + "output", name + "attn.proj", hidden, hidden, true);
    add_norm(names, vision, slot + "mlp_norm", name + "norm2", map);
    add_mlp(names, vision, slot, name + "mlp.", map);
  }
  add_norm(names, vision, "tower.projector.norm", "merger.ln_q", map);
  names.add_linear(map, "tower.projector.first", "merger.mlp.0", cell, cell, true);
  names.add_linear(map, "tower.projector.second", "merger.mlp.2", vision.projector.output, cell, true);
}

}  // namespace azimuth::models
