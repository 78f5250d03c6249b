// A product whose inputs and outputs may be held within bounds that the checkpoint saves (Gemma 4).
#pragma once

#include <optional>
#include <utility>

#include "kernels/linear.h"

namespace azimuth::vision {

struct ClipBounds {
  float input_min = 0.0f;
  float input_max = 0.0f;
  float output_min = 0.0f;
  float output_max = 0.0f;
};

struct ClippedLinear : kernels::Linear {
  ClippedLinear() = default;
  ClippedLinear(kernels::Linear linear) : kernels::Linear(std::move(linear)) {}  // without bounds

  std::optional<ClipBounds> bounds;

  // As kernels::Linear::apply, between the bounds.
  void apply(const float* x, int64_t rows, float* y, ThreadPool& pool) const;
  // The same into rows of `y` that lie `stride` apart.
  void apply_strided(const float* x, int64_t rows, float* y, int64_t stride, ThreadPool& pool) const;
};

}  // namespace azimuth::vision
