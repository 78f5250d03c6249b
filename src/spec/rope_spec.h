// How a checkpoint describes its rotary embedding: spectrum, scaling and the axis section. Plain data; src/positions
// turns it into a FrequencyPlan.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace azimuth {

// Scalings of the spectrum, named as Hugging Face's rope_type (positions.md, section 2).
enum class RopeScaling : uint8_t { none, linear, llama3, yarn };

struct RopeSpec {
  double theta = 10000.0;
  int rotary_dim = 0;  // channels of a head that turn; even
  RopeScaling scaling = RopeScaling::none;
  double factor = 1.0;
  double original_max_positions = 0.0;  // llama3, yarn
  double low_freq_factor = 1.0;         // llama3
  double high_freq_factor = 4.0;        // llama3
  double beta_fast = 32.0;              // yarn
  double beta_slow = 1.0;               // yarn
  double mscale = 0.0;                  // yarn; 0: unset
  double mscale_all_dim = 0.0;          // yarn; 0: unset
  bool truncate = true;                 // yarn
  std::optional<double> attention_factor;
  std::vector<int> section;  // rotary pairs per axis t, h, w; empty: one axis
};

}  // namespace azimuth
