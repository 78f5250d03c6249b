// Which weight matrices keep more bits than the rest of a quantised model: a table of data, chosen by measured error
// (docs/quantisation.md).
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "kernels/kernels.h"

namespace azimuth::quantize {

// Slots that match `slots` (a `*` stands for any run of characters) are kept in `in_q8` in a q8 model and in `in_q4` in
// a q4 one.
struct KeptWider {
  std::string_view slots;
  kernels::WeightType in_q8;
  kernels::WeightType in_q4;
  std::string_view why;
};
std::span<const KeptWider> kept_wider();

// The type of a weight matrix in a model of `type`: the first line of the table that matches, or `type` itself.
kernels::WeightType type_of_slot(std::string_view slot, kernels::WeightType type);

bool matches(std::string_view pattern, std::string_view text);

}  // namespace azimuth::quantize
