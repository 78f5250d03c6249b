// The kinds of 2-D rotary embedding of vision towers (positions.md 1.9). d is the width of a head, x a patch's column,
// y its row. The head of every axial kind has d/4 frequencies theta^(-4k/d) per axis.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <vector>

#include "positions/tower/tower_rotary.h"

namespace azimuth::positions {

// Qwen: pairs (p, p + d/2) over the whole head; the first d/4 of them turn with y, the others with x.
TowerRotation axial_halves(const VisionSpec& vision, const std::vector<PatchPosition>& patches);
// Gemma 4: two rotations; the first half of the head turns with x, the second with y, each with pairs (p, p + d/4)
// inside its half. A pad has x = y = -1 and turns like any other patch.
TowerRotation axial_split(const VisionSpec& vision, const std::vector<PatchPosition>& patches);
// rope-vit's axial kind (arXiv 2403.13298): pairs (2p, 2p + 1); the first d/4 turn with x, the others with y.
TowerRotation axial_interleaved(const VisionSpec& vision, const std::vector<PatchPosition>& patches);

// rope-vit's mixed kind: every head of every layer has learned its frequencies, and pair p of a head, channels
// (2p, 2p + 1), turns by x * a[p] + y * b[p]. `frequencies` is [2, heads, d/2], a before b, of one layer.
TowerRotation mixed_rotation(const VisionSpec& vision, const std::vector<PatchPosition>& patches,
                             std::span<const float> frequencies);

// The frequencies with which a mixed layer starts its training: magnitudes theta^(-4k/d) in the direction of the head's
// angle (radians), then the same magnitudes at a right angle to it. One angle per head -> [2, heads, head_dim / 2].
std::vector<float> initial_mixed_frequencies(double theta, int head_dim, std::span<const float> angles);

// The two axes of a plan for patches.
inline constexpr int8_t kColumnAxis = 0;
inline constexpr int8_t kRowAxis = 1;
// A table of d/4 pairs for each of `axes`, in this order, each with the whole spectrum of an axial kind.
RotaryTable axial_table(const VisionSpec& vision, const std::vector<PatchPosition>& patches,
                        std::initializer_list<int8_t> axes);

}  // namespace azimuth::positions
