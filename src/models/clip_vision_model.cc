// The image tower of CLIP (arXiv 2103.00020; transformers: CLIPVisionConfig).
#include "models/parts/vit_tower.h"
#include "models/registry.h"

namespace azimuth::models {
namespace {

Result<VisionSpec> read_vision(const JsonView& config) {
  return read_vit_tower(config, {.clip = true, .patch = 32, .activation = "quick_gelu", .norm_eps = 1e-5});
}

}  // namespace

VisionPart clip_vision_model() {
  return {"clip_vision_model", read_vision, add_vit_tower_weights};
}

}  // namespace azimuth::models
