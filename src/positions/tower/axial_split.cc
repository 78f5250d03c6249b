#include "positions/tower/rotary_rules.h"

namespace azimuth::positions {

TowerRotation axial_split(const VisionSpec& vision, const std::vector<PatchPosition>& patches) {
  TowerRotation rotation;
  rotation.push_back({.table = axial_table(vision, patches, {kColumnAxis})});
  rotation.push_back({.table = axial_table(vision, patches, {kRowAxis}), .first_channel = vision.head_dim / 2});
  return rotation;
}

}  // namespace azimuth::positions
