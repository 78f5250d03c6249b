#include "quantize/row_bits.h"

#include <array>

#include "quantize/kept_wider.h"

namespace azimuth::quantize {
namespace {

using kernels::RowBits;

constexpr std::array kTable = {
    RowBitsOfSlots{"tower.layers.0.*", RowBits::eight, "its error enters every other layer; one layer of many"},
    RowBitsOfSlots{"tower.layers.*", RowBits::seven,
                   "nearly all of a tower's work, and hardly any of a model's error: faster with AVX2"},
};

}  // namespace

std::span<const RowBitsOfSlots> row_bits() {
  return kTable;
}

RowBits row_bits_of_slot(std::string_view slot, kernels::WeightType type) {
  if (type != kernels::WeightType::q8) return RowBits::eight;
  for (const RowBitsOfSlots& line : kTable) {
    if (matches(line.slots, slot)) return line.bits;
  }
  return RowBits::eight;
}

}  // namespace azimuth::quantize
