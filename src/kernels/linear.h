// A weight matrix with its bias.
#pragma once

#include "kernels/kernels.h"

namespace azimuth::kernels {

struct Linear {
  PackedMatrix weight;
  Tensor bias;  // [outputs], or empty

  int64_t outputs() const { return weight.outputs(); }
  // What products of several matrices take; y [rows, outputs], contiguous.
  Product product(float* y) const { return {&weight, bias.empty() ? nullptr : bias.data(), y, weight.outputs()}; }
  // y [rows, outputs] = x [rows, inputs] W^T + bias, both contiguous.
  void apply(const float* x, int64_t rows, float* y, ThreadPool& pool) const {
    matmul(weight, x, rows, weight.inputs(), bias.empty() ? nullptr : bias.data(), y, weight.outputs(), pool);
  }
};

}  // namespace azimuth::kernels
