// The spectrum of a rotary embedding: one inverse frequency per pair, after scaling (positions.md, section 2).
#pragma once

#include <vector>

#include "azimuth/status.h"
#include "spec/rope_spec.h"

namespace azimuth::positions {

struct Spectrum {
  std::vector<float> inv_freq;   // [rotary_dim / 2], rounded as the reference's f32 arithmetic rounds
  float attention_scale = 1.0f;  // YaRN's attention factor
};

// theta^(-2p/dim) for p in [0, dim / 2): the unscaled spectrum, rounded as the reference rounds.
std::vector<float> inverse_frequencies(double theta, int dim);

Result<Spectrum> make_spectrum(const RopeSpec& rope);

}  // namespace azimuth::positions
