// How finely quantised products round their rows, by the slot of the weights: a table of data, chosen by measured error
// and speed (docs/quantisation.md).
#pragma once

#include <span>
#include <string_view>

#include "kernels/kernels.h"

namespace azimuth::quantize {

// Of q8 matrices whose slots match `slots` (as KeptWider's); all others have rows of 8 bits.
struct RowBitsOfSlots {
  std::string_view slots;
  kernels::RowBits bits;
  std::string_view why;
};
std::span<const RowBitsOfSlots> row_bits();

// The first line of the table that matches decides.
kernels::RowBits row_bits_of_slot(std::string_view slot, kernels::WeightType type);

}  // namespace azimuth::quantize
