// The spectrum of a rotary embedding: one inverse frequency per pair, after scaling (positions.md, section 2).
#pragma once

#include <vector>

#include "azimuth/status.h"
#include "spec/rope_spec.h"

namespace azimuth::positions {

struct Spectrum {
  std::vector<float> inv_freq;   // [rotary_dim / 2], rounded as the reference's f32 arithmetic rounds
  float attention_scale = 1.0f;  // attention factor of YaRN and LongRoPE
};

// theta^(-2p/dim) for p in [0, dim / 2): the unscaled spectrum, rounded as the reference rounds.
std::vector<float> inverse_frequencies(double theta, int dim);

// `length`: largest id of the sequence, plus 1, which dynamic scalings read (positions.md 2.3, 2.4, 2.6).
// Errors: a rotary width that is odd or not positive; LongRoPE factors that are not one per pair.
Result<Spectrum> make_spectrum(const RopeSpec& rope, int64_t length);

}  // namespace azimuth::positions
