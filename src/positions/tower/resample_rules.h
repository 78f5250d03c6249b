// The rules by which a learned position grid is resampled, along one axis: which of its rows make up a row of the
// image, and with which weights (positions.md 1.2). Taps beyond the border are clamped to it; weights are not
// renormalised. Where image and table have the same number of rows every interpolation gives exactly that row, so that
// a grid that fits needs no case of its own. All arithmetic is f32 in the order of transformers' vision_utils.
#pragma once

#include <cstdint>

namespace azimuth::positions {

struct AxisTaps {
  int count = 0;
  int32_t index[4] = {};  // rows of the table, [count]
  float weight[4] = {};   // [count]
};

// Row `target` of `targets` (image) in a table of `side` rows; 0 <= target < targets, side >= 1.
using AxisResample = AxisTaps (*)(int32_t target, int64_t targets, int side);

// Two taps; the first and last row of the image sit on the first and last of the table (align_corners = true).
AxisTaps bilinear_corners(int32_t target, int64_t targets, int side);
// Two taps; rows are cells whose centres are mapped (align_corners = false).
AxisTaps bilinear(int32_t target, int64_t targets, int side);
// Four taps of Keys' cubic convolution with a = -0.75; centres are mapped.
AxisTaps bicubic(int32_t target, int64_t targets, int side);
// One tap: the cell that target / targets falls into (transformers: Idefics3VisionEmbeddings). Rounding puts some rows
// one cell too low, even where image and table have the same number of rows, and checkpoints run with that.
AxisTaps fraction_buckets(int32_t target, int64_t targets, int side);
// The same of fractions times 1 - 1e-6, which transformers 4.57 did: every row that falls on a border is one lower.
AxisTaps shrunk_fraction_buckets(int32_t target, int64_t targets, int side);

// Source coordinate of the centre of row `target`: (target + 1/2) * side / targets - 1/2.
float centre_of_cell(int32_t target, int64_t targets, int side);

}  // namespace azimuth::positions
