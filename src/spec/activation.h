// Activation functions of MLPs, as configs name them.
#pragma once

#include <cstdint>

namespace azimuth {

enum class Activation : uint8_t { gelu_erf, gelu_tanh, quick_gelu, silu, relu };

}  // namespace azimuth
