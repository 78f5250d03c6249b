// Activation functions and norms, as configs name them.
#pragma once

#include <cstdint>

namespace azimuth {

enum class Activation : uint8_t { gelu_erf, gelu_tanh, quick_gelu, silu, relu };

enum class NormKind : uint8_t {
  none,
  rms,          // weight only
  layer,        // weight and bias
  plain_layer,  // neither
};

}  // namespace azimuth
