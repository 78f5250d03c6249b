// How a checkpoint describes its rotary embedding: spectrum, scaling and the axis section. Plain data; src/positions
// turns it into a FrequencyPlan.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "azimuth/positions.h"

namespace azimuth {

// Scalings of the spectrum, named as Hugging Face's rope_type (positions.md, section 2).
enum class RopeScaling : uint8_t {
  none,
  linear,
  ntk,             // static: the base grows by alpha
  dynamic,         // NTK whose base grows with the sequence
  dynamic_linear,  // ids are squeezed into the trained range once they leave it
  yarn,
  longrope,
  llama3,
  proportional,  // only a share of the pairs turns, with the exponents of the whole head (Gemma 4)
};

// True where the spectrum changes as a sequence grows.
inline bool depends_on_length(RopeScaling scaling) {
  return scaling == RopeScaling::dynamic || scaling == RopeScaling::dynamic_linear || scaling == RopeScaling::longrope;
}

struct RopeSpec {
  double theta = 10000.0;
  int rotary_dim = 0;  // channels of a head that turn; even
  RopeScaling scaling = RopeScaling::none;
  double factor = 1.0;
  double alpha = 1.0;                     // ntk
  double original_max_positions = 0.0;    // llama3, yarn, longrope; dynamic kinds: the length that they grow from
  std::vector<double> short_factor = {};  // longrope; [rotary_dim / 2], up to the original length
  std::vector<double> long_factor = {};   // longrope; [rotary_dim / 2], beyond it
  double rotated_share = 1.0;             // proportional
  double low_freq_factor = 1.0;           // llama3
  double high_freq_factor = 4.0;          // llama3
  double beta_fast = 32.0;                // yarn
  double beta_slow = 1.0;                 // yarn
  double mscale = 0.0;                    // yarn; 0: unset
  double mscale_all_dim = 0.0;            // yarn; 0: unset
  bool truncate = true;                   // yarn
  std::optional<double> attention_factor = {};
  std::vector<int> section = {};  // rotary pairs per axis t, h, w; empty: one axis
  Pairing pairing = Pairing::halves;
};

}  // namespace azimuth
