#include "positions/tower/rotary_rules.h"

namespace azimuth::positions {

TowerRotation axial_interleaved(const VisionSpec& vision, const std::vector<PatchPosition>& patches) {
  TowerRotation rotation;
  rotation.push_back({.table = axial_table(vision, patches, {kColumnAxis, kRowAxis}), .pairing = Pairing::interleaved});
  return rotation;
}

}  // namespace azimuth::positions
