// NumPy's .npy files: written for people who want to look at arrays elsewhere, read where they hold position ids or
// features.
// Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "azimuth/status.h"
#include "tensor/tensor.h"

namespace azimuth::engine {

// Writes contiguous f32 elements, as format 1.0. data_loss where the file cannot be written.
Status write_npy(const std::string& path, const TensorView& tensor);

struct NpyArray {
  std::vector<int64_t> shape;  // up to kMaxNpyRank dimensions
  std::vector<double> values;  // in C order, whatever the file's; i8 beyond 2^53 are rounded
};
inline constexpr size_t kMaxNpyRank = 8;
inline constexpr int64_t kMaxNpyElements = int64_t{1} << 26;

// The array in `bytes`, a whole file of format 1, 2 or 3 with little-endian i4, i8, f2, f4 or f8 elements. `name`
// starts every error. Sizes are checked against the bytes that are there before memory is taken.
Result<NpyArray> parse_npy(std::string_view bytes, std::string_view name);
bool is_npy(std::string_view bytes);

}  // namespace azimuth::engine
