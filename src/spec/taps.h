// The taps of the program's stages, as the stages call them: whoever sets one sees the tensors that pass. Unset, a tap
// costs one comparison. What callers of the library set are the Hooks of include/azimuth/hooks.h.
#pragma once

#include <functional>

#include "azimuth/hooks.h"
#include "tensor/tensor.h"

namespace azimuth {

using Tap = std::function<void(const TapPoint& point, const TensorView& tensor)>;

}  // namespace azimuth
