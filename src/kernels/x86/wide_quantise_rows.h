// Rows of activations to blocks of 8-bit quants, for any Vec.
#pragma once

#include "kernels/quantised.h"

namespace azimuth::kernels {
namespace {

// x [count] of one row, count <= 64 -> quants [64] up to largest_quant, zero behind count; returns the scale. The
// arithmetic is that of generic/quantised_generic.cc, so that all levels quantise alike.
AZ_WIDE float quantise_row_block(const float* x, int64_t count, float largest_quant, int8_t* quants) {
  alignas(64) float filled[kQuantBlock];
  if (count < kQuantBlock) {
    for (int64_t i = 0; i < count; ++i) filled[i] = x[i];
    for (int64_t i = count; i < kQuantBlock; ++i) filled[i] = 0.0f;
    x = filled;
  }
  // Compared as whole numbers, among which NaN is the largest.
  const IVec::I magnitude = IVec::all32(0x7fffffff);
  IVec::I largest_bits = IVec::zero();
  for (int i = 0; i < kQuantBlock; i += Vec::kWidth)
    largest_bits = IVec::max32(largest_bits, IVec::both(IVec::bits(Vec::load(x + i)), magnitude));
  const int bits = IVec::highest32(largest_bits);
  float largest;
  __builtin_memcpy(&largest, &bits, sizeof largest);
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

// For each row and block: body(row, block, quants, scale).
template <typename Body>
AZ_WIDE void quantise_rows(const float* x, int64_t ldx, int rows, int64_t inputs, float largest, const Body& body) {
  alignas(64) int8_t quants[kQuantBlock];
  for (int64_t block = 0; block * kQuantBlock < inputs; ++block) {
    const int64_t first = block * kQuantBlock;
    const int64_t count = inputs - first < kQuantBlock ? inputs - first : kQuantBlock;
    for (int r = 0; r < rows; ++r) {
      const float scale = quantise_row_block(x + r * ldx + first, count, largest, quants);
      body(r, block, quants, scale);
    }
  }
}

}  // namespace
}  // namespace azimuth::kernels
