// The declared transforms of weights (spec/weight_map.h).
#pragma once

#include "spec/weight_map.h"
#include "tensor/tensor.h"

namespace azimuth::engine {

Shape transformed(const Shape& shape, Transform transform);

// The elements of `tensor`, which is contiguous, to `out`, transformed. Only reads and writes memory, as guarded_read
// asks for.
void copy_transformed(const TensorView& tensor, Transform transform, std::byte* out);

}  // namespace azimuth::engine
