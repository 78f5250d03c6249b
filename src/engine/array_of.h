// Tensors of the engine as arrays of callers, without a copy.
#pragma once

#include <memory>
#include <utility>

#include "azimuth/array.h"
#include "tensor/tensor.h"

namespace azimuth::engine {

inline FloatArray array_of(Tensor tensor) {
  std::vector<int64_t> shape;
  for (int axis = 0; axis < tensor.shape().rank(); ++axis) shape.push_back(tensor.shape()[axis]);
  auto owner = std::make_shared<const Tensor>(std::move(tensor));
  const float* const first = owner->data();
  return {std::move(shape), std::shared_ptr<const float>(std::move(owner), first)};
}

}  // namespace azimuth::engine
