#include "positions/tower/tower_rotary.h"

#include "positions/tower/rotary_rules.h"

namespace azimuth::positions {

Result<TowerRotation> tower_rotation(const VisionSpec& vision, const std::vector<PatchPosition>& patches) {
  const bool turns = vision.rotary != TowerRotary::none;
  if (turns && (vision.head_dim <= 0 || vision.head_dim % 4 != 0)) {
    return invalid_argument(
        "a tower with 2-D rotary expected a head_dim that is a multiple of 4 (pairs for two axes), "
        "found " +
        std::to_string(vision.head_dim) + "; check the heads of its vision_config");
  }
  switch (vision.rotary) {
    case TowerRotary::none:
    case TowerRotary::mixed: return TowerRotation{};
    case TowerRotary::axial_halves: return axial_halves(vision, patches);
    case TowerRotary::axial_split: return axial_split(vision, patches);
    case TowerRotary::axial_interleaved: return axial_interleaved(vision, patches);
  }
  return TowerRotation{};
}

}  // namespace azimuth::positions
