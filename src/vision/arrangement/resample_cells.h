// Bilinear resampling of a grid of features (torch.nn.functional.interpolate, align_corners = false, no antialiasing).
#pragma once

#include <cstdint>

#include "tensor/tensor.h"

namespace azimuth::vision {

// cells [rows * columns, width] -> [to_rows * to_columns, width]
Tensor resample_cells(const Tensor& cells, int64_t rows, int64_t columns, int64_t to_rows, int64_t to_columns);

}  // namespace azimuth::vision
