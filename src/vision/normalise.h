// A tower's norm: layer norm, or RMS norm where the weights have no bias.
#pragma once

#include "kernels/kernels.h"
#include "vision/tower.h"

namespace azimuth::vision {

// in and out [rows, width], contiguous; out may be in.
inline void normalise(const NormWeights& norm, float eps, const float* in, int64_t rows, int64_t width, float* out,
                      ThreadPool& pool) {
  if (norm.bias.empty()) {
    kernels::rms_norm(in, rows, width, width, norm.weight.data(), eps, out, width, pool);
  } else {
    kernels::layer_norm(in, rows, width, width, norm.weight.data(), norm.bias.data(), eps, out, width, pool);
  }
}

inline void normalise(const NormWeights& norm, float eps, const Tensor& in, Tensor& out, ThreadPool& pool) {
  normalise(norm, eps, in.data(), in.shape()[0], in.row_elements(), out.data(), pool);
}

}  // namespace azimuth::vision
