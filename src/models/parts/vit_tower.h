// The image tower of CLIP and SigLIP, as data: one square size of picture, learned positions, pre-norm layers with
// biases. The families decide what reads it (VisionSpec::feature_layers, final_norm, projector).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "azimuth/status.h"
#include "base/json.h"
#include "spec/vision_spec.h"
#include "spec/weight_map.h"

namespace azimuth::models {

// What a config class decides by itself, and its defaults for keys that a config leaves out.
struct VitTraits {
  bool clip = false;  // a class token with its own position, a norm in front of the first layer, no bias on patches
  int64_t hidden = 768;
  int64_t heads = 12;
  int64_t patch = 16;
  std::string_view activation = "gelu_pytorch_tanh";
  double norm_eps = 1e-6;
};

// The tower up to its last layer and the norm behind it (final_norm). Sides that are no multiple of the patch lose the
// remainder.
Result<VisionSpec> read_vit_tower(const JsonView& config, const VitTraits& traits);

// Slots tower.*, without a projector; each tensor is looked for behind each of `prefixes` in turn.
void add_vit_tower_weights(const VisionSpec& vision, const std::vector<std::string>& prefixes, WeightMap& map);

}  // namespace azimuth::models
