// The rotations of a tower's queries and keys by where their patches are.
#pragma once

#include <vector>

#include "azimuth/status.h"
#include "positions/rotary_table.h"
#include "positions/tower/patch_positions.h"
#include "spec/vision_spec.h"

namespace azimuth::positions {

// Rotation of 2 * table.pairs channels of every head, from `first_channel` on.
struct HeadRotation {
  RotaryTable table;  // [patches, groups, pairs]; groups: 1, or one per head
  int first_channel = 0;
  Pairing pairing = Pairing::halves;
};

// What turns a head: nothing, one rotation, or one for each part of the head.
using TowerRotation = std::vector<HeadRotation>;

// The rotation of all layers of a tower whose kind is not learned (TowerRotary::mixed is: mixed_rotation in
// rotary_rules.h makes that of one layer). Errors: a head width that the kind cannot divide.
Result<TowerRotation> tower_rotation(const VisionSpec& vision, const std::vector<PatchPosition>& patches);

}  // namespace azimuth::positions
