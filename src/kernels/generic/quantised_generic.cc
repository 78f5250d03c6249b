// Products with quantised weights, in the order of sums that every level keeps (QuantisedRows).
#include <cmath>
#include <cstring>

#include "base/float16.h"
#include "kernels/generic/generic.h"
#include "kernels/quantise_loops.h"
#include "kernels/whole_weights.h"

namespace azimuth::kernels::generic {
namespace {

// A packed row: one of these for each block. Rows of a tile lie one after the other.
struct RowBlock {
  float scale;
  int8_t quants[kQuantBlock];
};
static_assert(sizeof(RowBlock) == kQuantisedRowBytes);

void quantise_row_block(const float* x, int64_t count, float largest_quant, RowBlock& out) {
  uint32_t largest_bits = 0;  // compared as whole numbers, among which NaN is the largest
  for (int64_t i = 0; i < count; ++i) {
    const uint32_t bits = bits_of(x[i]) & 0x7fffffffu;
    largest_bits = bits > largest_bits ? bits : largest_bits;
  }
  const float largest = of_bits(largest_bits);
  std::memset(&out, 0, sizeof out);
  if (largest < kSmallestActivation) return;
  out.scale = largest / largest_quant;
  const float inverse = largest_quant / largest;
  for (int64_t i = 0; i < count; ++i) {
    const float q = clamp_quant(nearest(x[i] * inverse), -largest_quant, largest_quant);
    out.quants[i] = static_cast<int8_t>(static_cast<int32_t>(q));
  }
}

template <typename Whole>
void tile(const RowBlock* rows_packed, const uint8_t* records, int64_t record_bytes, int64_t quant_bytes,
          int64_t blocks, int rows, float* c, bool accumulate, const Whole& whole) {
  for (int j = 0; j < kQuantPanel; ++j) {
    for (int r = 0; r < rows && !accumulate; ++r) c[r * kQuantPanel + j] = 0.0f;
    for (int64_t block = 0; block < blocks; ++block) {
      const uint8_t* record = records + block * record_bytes;
      int32_t weights[kQuantBlock];
      whole(record, j, weights);
      const float scale = scale_of(record, quant_bytes, j);
      for (int r = 0; r < rows; ++r) {
        const RowBlock& row = rows_packed[r * blocks + block];
        int32_t sum = 0;
        for (int i = 0; i < kQuantBlock; ++i) sum += weights[i] * row.quants[i];
        c[r * kQuantPanel + j] = std::fma(static_cast<float>(sum), scale * row.scale, c[r * kQuantPanel + j]);
      }
    }
  }
}

}  // namespace

void pack_rows_quantised(const float* x, int64_t ldx, int rows, int64_t inputs, float largest, void* out) {
  auto* packed = static_cast<RowBlock*>(out);
  for (int r = 0; r < rows; ++r) {
    for (int64_t k = 0; k < inputs; k += kQuantBlock)
      quantise_row_block(x + r * ldx + k, inputs - k < kQuantBlock ? inputs - k : kQuantBlock, largest, *packed++);
  }
}

void tile_q8(const void* rows_packed, const void* records, int64_t blocks, int rows, float* c, bool accumulate) {
  tile(static_cast<const RowBlock*>(rows_packed), static_cast<const uint8_t*>(records), kQ8RecordBytes, kQ8QuantBytes,
       blocks, rows, c, accumulate, whole_q8);
}

void tile_q4(const void* rows_packed, const void* records, int64_t blocks, int rows, float* c, bool accumulate) {
  tile(static_cast<const RowBlock*>(rows_packed), static_cast<const uint8_t*>(records), kQ4RecordBytes, kQ4QuantBytes,
       blocks, rows, c, accumulate, whole_q4);
}

void quantise_record_q8(const float* weights, void* record) {
  quantise_q8(weights, record);
}
void quantise_record_q8_bounded(const float* weights, void* record) {
  quantise_q8_bounded(weights, record);
}
void quantise_record_q4(const float* weights, void* record) {
  quantise_q4(weights, record);
}

}  // namespace azimuth::kernels::generic
