#include "models/parts/vit_tower.h"

#include "models/parts/config_keys.h"
#include "models/parts/weight_names.h"

namespace azimuth::models {
namespace {

constexpr int64_t kMaxWidth = int64_t{1} << 20;
constexpr int64_t kMaxSide = int64_t{1} << 16;

Status read_layers(const JsonView& config, const VitTraits& traits, VisionSpec& vision) {
  AZ_ASSIGN_OR_RETURN(const int64_t hidden, config.integer_or("hidden_size", traits.hidden, 1, kMaxWidth));
  AZ_ASSIGN_OR_RETURN(const int64_t intermediate, config.integer_or("intermediate_size", 3072, 1, kMaxWidth));
  AZ_ASSIGN_OR_RETURN(const int64_t layers, config.integer_or("num_hidden_layers", 12, 1, 1024));
  AZ_ASSIGN_OR_RETURN(const int64_t heads, config.integer_or("num_attention_heads", traits.heads, 1, 4096));
  AZ_ASSIGN_OR_RETURN(const double eps, config.number_or("layer_norm_eps", traits.norm_eps, 0.0, 1.0));
  AZ_ASSIGN_OR_RETURN(vision.activation, read_activation(config, "hidden_act", traits.activation));
  if (hidden % heads != 0) {
    return invalid_argument(config.where() +
                            " expected hidden_size to be a multiple of num_attention_heads, found hidden_size " +
                            std::to_string(hidden) + " and num_attention_heads " + std::to_string(heads));
  }
  vision.layers = static_cast<int>(layers);
  vision.hidden = static_cast<int>(hidden);
  vision.heads = static_cast<int>(heads);
  vision.head_dim = static_cast<int>(hidden / heads);
  vision.intermediate = static_cast<int>(intermediate);
  vision.norm_eps = static_cast<float>(eps);
  return ok_status();
}

Status read_patches(const JsonView& config, const VitTraits& traits, VisionSpec& vision) {
  AZ_ASSIGN_OR_RETURN(const int64_t channels, config.integer_or("num_channels", 3, 3, 3));
  AZ_ASSIGN_OR_RETURN(const int64_t patch, read_square(config, "patch_size", traits.patch, 1, 1024));
  AZ_ASSIGN_OR_RETURN(const int64_t side, read_square(config, "image_size", 224, 1, kMaxSide));
  if (side < patch) {
    return invalid_argument(config.where() + " expected image_size to hold at least one patch, found image_size " +
                            std::to_string(side) + " and patch_size " + std::to_string(patch));
  }
  vision.channels = static_cast<int>(channels);
  vision.patch = static_cast<int>(patch);
  vision.order = PatchOrder::raster;
  vision.learned_side = static_cast<int>(side / patch);
  vision.learned_rows = int64_t{vision.learned_side} * vision.learned_side + vision.class_tokens;
  vision.resample = GridResample::bicubic;
  return ok_status();
}

}  // namespace

Result<VisionSpec> read_vit_tower(const JsonView& config, const VitTraits& traits) {
  VisionSpec vision;
  vision.class_tokens = traits.clip ? 1 : 0;
  vision.class_positions = traits.clip;
  vision.pre_norm = traits.clip;
  vision.final_norm = true;
  vision.projector.merge = 1;
  AZ_RETURN_IF_ERROR(read_layers(config, traits, vision));
  AZ_RETURN_IF_ERROR(read_patches(config, traits, vision));
  return vision;
}

void add_vit_tower_weights(const VisionSpec& vision, const std::vector<std::string>& prefixes, WeightMap& map) {
  const NameSet names(prefixes);
  const int64_t hidden = vision.hidden;
  names.add(map, "tower.patch.weight", "embeddings.patch_embedding.weight",
            {hidden, vision.channels, vision.patch, vision.patch}, Transform::flatten);
  if (vision.class_tokens > 0) {
    names.add(map, "tower.class_tokens", "embeddings.class_embedding", {hidden});
  } else {
    names.add(map, "tower.patch.bias", "embeddings.patch_embedding.bias", {hidden});
  }
  names.add(map, "tower.learned_grid", "embeddings.position_embedding.weight", {vision.learned_rows, hidden});
  if (vision.pre_norm) names.add_norm(map, "tower.pre_norm", "pre_layrnorm", hidden);  // as the files spell it
  if (vision.final_norm) names.add_norm(map, "tower.final_norm", "post_layernorm", hidden);
  for (int i = 0; i < vision.layers; ++i) {
    const std::string slot = "tower.layers." + std::to_string(i) + ".";
    const std::string name = "encoder.layers." + std::to_string(i) + ".";
    names.add_norm(map, slot + "attention_norm", name + "layer_norm1", hidden);
    names.add_stacked_linear(map, slot + "qkv",
                             {name + "self_attn.q_proj", name + "self_attn.k_proj", name + "self_attn.v_proj"},
                             {hidden, hidden, hidden}, hidden, true);
    names.add_linear(map, slot + "output", name + "self_attn.out_proj", hidden, hidden, true);
    names.add_norm(map, slot + "mlp_norm", name + "layer_norm2", hidden);
    names.add_linear(map, slot + "up", name + "mlp.fc1", vision.intermediate, hidden, true);
    names.add_linear(map, slot + "down", name + "mlp.fc2", hidden, vision.intermediate, true);
  }
}

}  // namespace azimuth::models
