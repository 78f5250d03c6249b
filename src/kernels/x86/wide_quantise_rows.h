// Rows of activations to blocks of 8-bit quants, for any Vec.
#pragma once

#include "kernels/quantised.h"

namespace azimuth::kernels {
namespace {

// A block's inputs of one row, filled up with zeros where there are fewer than 64.
AZ_WIDE const float* whole_block(const float* x, int64_t count, float* filled) {
  if (count == kQuantBlock) return x;
  for (int64_t i = 0; i < count; ++i) filled[i] = x[i];
  for (int64_t i = count; i < kQuantBlock; ++i) filled[i] = 0.0f;
  return filled;
}

// The largest magnitude of x [64], compared as whole numbers, among which NaN is the largest.
AZ_WIDE float largest_of_block(const float* x) {
  const IVec::I magnitude = IVec::all32(0x7fffffff);
  IVec::I largest_bits = IVec::zero();
  for (int i = 0; i < kQuantBlock; i += Vec::kWidth)
    largest_bits = IVec::max32(largest_bits, IVec::both(IVec::bits(Vec::load(x + i)), magnitude));
  const int bits = IVec::highest32(largest_bits);
  float largest;
  __builtin_memcpy(&largest, &bits, sizeof largest);
  return largest;
}

// x [64] -> quants [64] up to largest_quant; returns the scale. The arithmetic is that of generic/quantised_generic.cc,
// so that all levels quantise alike.
AZ_WIDE float quantise_block(const float* x, float largest, float largest_quant, int8_t* quants) {
  if (largest < kSmallestActivation) {
    for (int i = 0; i < kQuantBlock; i += IVec::kBytes) IVec::store(quants + i, IVec::zero());
    return 0.0f;
  }
  const Vec::F inverse = Vec::all(largest_quant / largest);
  const auto scaled = [&](int i) __attribute__((always_inline)) {
    return Vec::mul(Vec::load(x + i), inverse);
  };
  for (int i = 0; i < kQuantBlock; i += 4 * Vec::kWidth) {
    IVec::store_nearest8(quants + i, scaled(i), scaled(i + Vec::kWidth), scaled(i + 2 * Vec::kWidth),
                         scaled(i + 3 * Vec::kWidth));
  }
  return largest / largest_quant;
}

// For each row and block: body(row, block, quants, scale), which may change the quants. All rows' largest magnitudes come first: what waits for one
// row's would stand still.
template <typename Body>
AZ_WIDE void quantise_rows(const float* x, int64_t ldx, int rows, int64_t inputs, float largest_quant,
                           const Body& body) {
  constexpr int kTogether = 16;
  alignas(64) int8_t quants[kQuantBlock];
  alignas(64) float filled[kQuantBlock];
  float largest[kTogether];
  for (int64_t block = 0; block * kQuantBlock < inputs; ++block) {
    const int64_t input = block * kQuantBlock;
    const int64_t count = inputs - input < kQuantBlock ? inputs - input : kQuantBlock;
    const auto row_block = [&](int r) __attribute__((always_inline)) {
      return whole_block(x + r * ldx + input, count, filled);
    };
    for (int first = 0; first < rows; first += kTogether) {
      const int end = first + kTogether < rows ? first + kTogether : rows;
      for (int r = first; r < end; ++r) largest[r - first] = largest_of_block(row_block(r));
      for (int r = first; r < end; ++r)
        body(r, block, quants, quantise_block(row_block(r), largest[r - first], largest_quant, quants));
    }
  }
}

}  // namespace
}  // namespace azimuth::kernels
