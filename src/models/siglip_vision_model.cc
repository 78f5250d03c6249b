// The image tower of SigLIP (arXiv 2303.15343; transformers: SiglipVisionConfig), without its pooling head.
#include "models/parts/vit_tower.h"
#include "models/registry.h"

namespace azimuth::models {
namespace {

Result<VisionSpec> read_vision(const JsonView& config) {
  return read_vit_tower(config, {});
}

}  // namespace

VisionPart siglip_vision_model() {
  return {"siglip_vision_model", read_vision, add_vit_tower_weights};
}

}  // namespace azimuth::models
