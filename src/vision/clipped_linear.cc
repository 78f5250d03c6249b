// Source: transformers, modeling_gemma4.py, Gemma4ClippableLinear.
#include "vision/clipped_linear.h"

#include <algorithm>
#include <vector>

namespace azimuth::vision {

void ClippedLinear::apply(const float* x, int64_t rows, float* y, ThreadPool& pool) const {
  apply_strided(x, rows, y, outputs(), pool);
}

void ClippedLinear::apply_strided(const float* x, int64_t rows, float* y, int64_t stride, ThreadPool& pool) const {
  std::vector<float> held;  // [rows, inputs]
  if (bounds) {
    held.assign(x, x + rows * weight.inputs());
    for (float& value : held) value = std::min(std::max(value, bounds->input_min), bounds->input_max);
    x = held.data();
  }
  kernels::matmul(weight, x, rows, weight.inputs(), bias.empty() ? nullptr : bias.data(), y, stride, pool);
  if (!bounds) return;
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t i = 0; i < outputs(); ++i) {
      float& value = y[row * stride + i];
      value = std::min(std::max(value, bounds->output_min), bounds->output_max);
    }
  }
}

}  // namespace azimuth::vision
