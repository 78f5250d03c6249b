// NumPy's .npy files (format 1.0), for arrays that people want to look at elsewhere.
#pragma once

#include <string>

#include "azimuth/status.h"
#include "tensor/tensor.h"

namespace azimuth::engine {

// Writes contiguous f32 elements. data_loss where the file cannot be written.
Status write_npy(const std::string& path, const TensorView& tensor);

}  // namespace azimuth::engine
