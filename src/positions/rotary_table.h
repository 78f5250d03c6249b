// Cosines and sines of a run of tokens: what hook 3 sees and may replace.
#pragma once

#include <cstdint>
#include <vector>

#include "azimuth/positions.h"

namespace azimuth::positions {

struct RotaryTable {
  int groups = 1;
  int pairs = 0;
  std::vector<float> cosines;  // [tokens, groups, pairs]
  std::vector<float> sines;    // [tokens, groups, pairs]
};

// Cosine and sine of one pair, times the attention scale. The angle is the f32 product of an f32 id and an f32 inverse
// frequency, as every reference computes it (positions.md 0.3); cosine and sine are then correctly rounded.
void rotate_unit(float id, float inv_freq, float scale, float& cosine, float& sine);

// Appends the rows of tokens with ids [tokens, axes].
void append_rotary(const FrequencyPlan& plan, const float* ids, int64_t tokens, int axes, RotaryTable& table);

}  // namespace azimuth::positions
