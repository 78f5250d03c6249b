// Tiles of matrix products for any Vec. A tile keeps its sums in named variables, one per vector: g++ 12 keeps an array
// of accumulators in memory and loses two thirds of the speed.
#pragma once

#include "kernels/table.h"

namespace azimuth::kernels {
namespace {

constexpr int kPanelWidth = 2 * Vec::kWidth;
constexpr int kWeightStride = 64;  // of the rows that weigh_panel reads

#define AZ_EACH_ROW(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)

#define AZ_DECLARE(i) [[maybe_unused]] Vec::F left##i = Vec::zero(), right##i = Vec::zero();
#define AZ_LOAD(i)                                                       \
  if constexpr (kRows > i) {                                             \
    left##i = Vec::load(c + i * ldc);                                    \
    if constexpr (kTwo) right##i = Vec::load(c + i * ldc + Vec::kWidth); \
  }
#define AZ_STEP(i)                                            \
  if constexpr (kRows > i) {                                  \
    const Vec::F x = Vec::all(a[i * kRowStride]);             \
    left##i = Vec::fma(x, b0, left##i);                       \
    if constexpr (kTwo) right##i = Vec::fma(x, b1, right##i); \
  }
#define AZ_BIAS(i)                        \
  if constexpr (kRows > i) {              \
    left##i = Vec::add(left##i, bias0);   \
    right##i = Vec::add(right##i, bias1); \
  }
#define AZ_STORE(i)                                                      \
  if constexpr (kRows > i) {                                             \
    Vec::store(c + i * ldc, left##i);                                    \
    if constexpr (kTwo) Vec::store(c + i * ldc + Vec::kWidth, right##i); \
  }

// a [count, kRows], b [count, kPanelWidth]
template <int kRows>
void tile_f32_rows(const float* a, const float* b, int64_t count, float* c, int64_t ldc, const float* bias,
                   bool accumulate, const char* next, int64_t next_step) {
  constexpr bool kTwo = true;
  constexpr int kRowStride = 1;
  AZ_EACH_ROW(AZ_DECLARE)
  if (accumulate) {
    AZ_EACH_ROW(AZ_LOAD)
  }
  for (int64_t k = 0; k < count; ++k, a += kRows, b += kPanelWidth, next += next_step) {
    _mm_prefetch(next, _MM_HINT_T0);
    const Vec::F b0 = Vec::load(b);
    const Vec::F b1 = Vec::load(b + Vec::kWidth);
    AZ_EACH_ROW(AZ_STEP)
  }
  if (bias != nullptr) {
    const Vec::F bias0 = Vec::load(bias);
    const Vec::F bias1 = Vec::load(bias + Vec::kWidth);
    AZ_EACH_ROW(AZ_BIAS)
  }
  AZ_EACH_ROW(AZ_STORE)
}

// a [count, kRows] f32 that hold bf16 values, b [count / 2, kPanelWidth, 2]
template <int kRows>
void tile_bf16_rows(const float* a, const uint16_t* b, int64_t count, float* c, int64_t ldc, const float* bias,
                    bool accumulate, const char* next, int64_t next_step) {
  constexpr bool kTwo = true;
  constexpr int kRowStride = 1;
  AZ_EACH_ROW(AZ_DECLARE)
  if (accumulate) {
    AZ_EACH_ROW(AZ_LOAD)
  }
  for (int64_t k = 0; k < count; k += 2, b += 2 * kPanelWidth, next += 2 * next_step) {
    _mm_prefetch(next, _MM_HINT_T0);
    {
      const Vec::F b0 = Vec::even_bf16(b);
      const Vec::F b1 = Vec::even_bf16(b + kPanelWidth);
      AZ_EACH_ROW(AZ_STEP)
    }
    a += kRows;
    {
      const Vec::F b0 = Vec::odd_bf16(b);
      const Vec::F b1 = Vec::odd_bf16(b + kPanelWidth);
      AZ_EACH_ROW(AZ_STEP)
    }
    a += kRows;
  }
  if (bias != nullptr) {
    const Vec::F bias0 = Vec::load(bias);
    const Vec::F bias1 = Vec::load(bias + Vec::kWidth);
    AZ_EACH_ROW(AZ_BIAS)
  }
  AZ_EACH_ROW(AZ_STORE)
}

// c [kRows, columns] += weights [kRows, count] x values [count, columns]; the last vector of columns holds `last`.
// kStride: distance of rows of values where it is known beforehand; 0: `stride`.
template <int kRows, bool kTwo, int64_t kStride>
void weigh_rows(const float* a, const float* values, int64_t stride, int64_t count, int last, float* c, int64_t ldc) {
  constexpr int kRowStride = kWeightStride;
  const int64_t value_stride = kStride > 0 ? kStride : stride;
  AZ_EACH_ROW(AZ_DECLARE)
  AZ_EACH_ROW(AZ_LOAD)
  if (last == Vec::kWidth) {
#pragma GCC unroll 4
    for (int64_t k = 0; k < count; ++k, ++a, values += value_stride) {
      const Vec::F b0 = Vec::load(values);
      [[maybe_unused]] const Vec::F b1 = kTwo ? Vec::load(values + Vec::kWidth) : b0;
      AZ_EACH_ROW(AZ_STEP)
    }
  } else {
    for (int64_t k = 0; k < count; ++k, ++a, values += value_stride) {
      const Vec::F b0 = kTwo ? Vec::load(values) : Vec::load_part(values, last);
      [[maybe_unused]] const Vec::F b1 = kTwo ? Vec::load_part(values + Vec::kWidth, last) : b0;
      AZ_EACH_ROW(AZ_STEP)
    }
  }
  AZ_EACH_ROW(AZ_STORE)
}

#undef AZ_DECLARE
#undef AZ_LOAD
#undef AZ_STEP
#undef AZ_BIAS
#undef AZ_STORE
#undef AZ_EACH_ROW

// CALL(rows) for the number of rows at run time.
#define AZ_FOR_ROWS(rows, CALL) \
  switch (rows) {               \
    case 1: CALL(1); break;     \
    case 2: CALL(2); break;     \
    case 3: CALL(3); break;     \
    case 4: CALL(4); break;     \
    case 5: CALL(5); break;     \
    case 6: CALL(6); break;     \
    case 7: CALL(7); break;     \
    case 8: CALL(8); break;     \
    case 9: CALL(9); break;     \
    case 10: CALL(10); break;   \
    case 11: CALL(11); break;   \
    default: CALL(12); break;   \
  }

void tile_f32(const void* rows_packed, const void* panel, int64_t count, int rows, float* c, int64_t ldc,
              const float* bias, bool accumulate, const void* next, int64_t next_step) {
  const char* fetch = static_cast<const char*>(next);
  const float* a = static_cast<const float*>(rows_packed);
  const float* b = static_cast<const float*>(panel);
#define AZ_CALL(n) \
  if constexpr (n <= kTileRows) tile_f32_rows<n>(a, b, count, c, ldc, bias, accumulate, fetch, next_step)
  AZ_FOR_ROWS(rows, AZ_CALL)
#undef AZ_CALL
}

void tile_bf16(const void* rows_packed, const void* panel, int64_t count, int rows, float* c, int64_t ldc,
               const float* bias, bool accumulate, const void* next, int64_t next_step) {
  const char* fetch = static_cast<const char*>(next);
  const float* a = static_cast<const float*>(rows_packed);
  const uint16_t* b = static_cast<const uint16_t*>(panel);
#define AZ_CALL(n) \
  if constexpr (n <= kTileRows) tile_bf16_rows<n>(a, b, count, c, ldc, bias, accumulate, fetch, next_step)
  AZ_FOR_ROWS(rows, AZ_CALL)
#undef AZ_CALL
}

// b [count / 2, kPanelWidth, 2] bf16 -> out [count, kPanelWidth]
void widen_bf16(const void* panel, int64_t count, float* out) {
  const uint16_t* b = static_cast<const uint16_t*>(panel);
  for (int64_t k = 0; k < count; k += 2, b += 2 * kPanelWidth, out += 2 * kPanelWidth) {
    Vec::store(out, Vec::even_bf16(b));
    Vec::store(out + Vec::kWidth, Vec::even_bf16(b + kPanelWidth));
    Vec::store(out + kPanelWidth, Vec::odd_bf16(b));
    Vec::store(out + kPanelWidth + Vec::kWidth, Vec::odd_bf16(b + kPanelWidth));
  }
}

// c [rows, columns] += weights [rows, count] x values [count, columns], up to kPanelWidth columns.
template <int64_t kStride>
void weigh_panel(const float* weights, const float* values, int64_t value_stride, int64_t count, int rows, int columns,
                 float* c, int64_t ldc) {
  const bool two = columns > Vec::kWidth;
  const int last = two ? columns - Vec::kWidth : columns;
#define AZ_CALL(n)                                                                       \
  if constexpr (n <= kTileRows) {                                                        \
    if (two)                                                                             \
      weigh_rows<n, true, kStride>(weights, values, value_stride, count, last, c, ldc);  \
    else                                                                                 \
      weigh_rows<n, false, kStride>(weights, values, value_stride, count, last, c, ldc); \
  }
  AZ_FOR_ROWS(rows, AZ_CALL)
#undef AZ_CALL
}

// One row against four panels at once: eight chains hide the latency of a multiply-add, four streams keep memory busy.
template <typename Weight, bool kPaired>
void vector_product(const float* row, const uint8_t* panel, int64_t panel_bytes, int64_t panels, int64_t count,
                    float* c, const float* bias) {
  for (; panels > 0; panels -= 4, panel += 4 * panel_bytes, c += 4 * kPanelWidth) {
    const Weight* w0 = reinterpret_cast<const Weight*>(panel);
    const Weight* w1 = panels > 1 ? reinterpret_cast<const Weight*>(panel + panel_bytes) : w0;
    const Weight* w2 = panels > 2 ? reinterpret_cast<const Weight*>(panel + 2 * panel_bytes) : w0;
    const Weight* w3 = panels > 3 ? reinterpret_cast<const Weight*>(panel + 3 * panel_bytes) : w0;
    Vec::F left0 = Vec::zero(), left1 = Vec::zero(), left2 = Vec::zero(), left3 = Vec::zero();
    Vec::F right0 = Vec::zero(), right1 = Vec::zero(), right2 = Vec::zero(), right3 = Vec::zero();
    constexpr int64_t kHalf = kPaired ? kPanelWidth : Vec::kWidth;
#define AZ_STEP(i, LOAD)                           \
  left##i = Vec::fma(x, LOAD(w##i + at), left##i); \
  right##i = Vec::fma(x, LOAD(w##i + at + kHalf), right##i);
#define AZ_STEPS(LOAD) AZ_STEP(0, LOAD) AZ_STEP(1, LOAD) AZ_STEP(2, LOAD) AZ_STEP(3, LOAD)
    for (int64_t k = 0; k < count; ++k) {
      const int64_t at = k * kPanelWidth;
      Vec::F x = Vec::all(row[k]);
      if constexpr (kPaired) {
        AZ_STEPS(Vec::even_bf16)
        x = Vec::all(row[++k]);
        AZ_STEPS(Vec::odd_bf16)
      } else {
        AZ_STEPS(Vec::load)
      }
    }
#undef AZ_STEPS
#undef AZ_STEP
#define AZ_STORE(i)                                                                                         \
  if (panels > i) {                                                                                         \
    Vec::store(c + i * kPanelWidth, bias ? Vec::add(left##i, Vec::load(bias + i * kPanelWidth)) : left##i); \
    Vec::store(c + i * kPanelWidth + Vec::kWidth,                                                           \
               bias ? Vec::add(right##i, Vec::load(bias + i * kPanelWidth + Vec::kWidth)) : right##i);      \
  }
    AZ_STORE(0)
    AZ_STORE(1)
    AZ_STORE(2)
    AZ_STORE(3)
#undef AZ_STORE
    if (bias != nullptr) bias += 4 * kPanelWidth;
  }
}

void vector_f32(const void* row_packed, const void* panel, int64_t panel_bytes, int64_t panels, int64_t count, float* c,
                const float* bias) {
  vector_product<float, false>(static_cast<const float*>(row_packed), static_cast<const uint8_t*>(panel), panel_bytes,
                               panels, count, c, bias);
}

void vector_bf16(const void* row_packed, const void* panel, int64_t panel_bytes, int64_t panels, int64_t count,
                 float* c, const float* bias) {
  vector_product<uint16_t, true>(static_cast<const float*>(row_packed), static_cast<const uint8_t*>(panel), panel_bytes,
                                 panels, count, c, bias);
}

// To nearest, ties to even, as f32_to_bf16; a NaN stays one.
AZ_WIDE __m128 round_bf16(__m128 x) {
  const __m128i bits = _mm_castps_si128(x);
  const __m128i odd = _mm_and_si128(_mm_srli_epi32(bits, 16), _mm_set1_epi32(1));
  const __m128i rounded = _mm_add_epi32(bits, _mm_add_epi32(odd, _mm_set1_epi32(0x7fff)));
  const __m128i kept = _mm_and_si128(rounded, _mm_set1_epi32(static_cast<int>(0xffff0000u)));
  return _mm_blendv_ps(_mm_castsi128_ps(kept), x, _mm_cmpunord_ps(x, x));
}

template <bool kRound>
AZ_WIDE __m128 load_four(const float* x) {
  if constexpr (kRound) return round_bf16(_mm_loadu_ps(x));
  return _mm_loadu_ps(x);
}

template <bool kRound>
AZ_WIDE float load_one(const float* x) {
  if constexpr (kRound) return _mm_cvtss_f32(round_bf16(_mm_load_ss(x)));
  return *x;
}

// x [rows, count] -> out [count, rows] in squares of four.
template <bool kRound>
void transpose_rows(const float* x, int64_t ldx, int rows, int64_t count, float* out) {
  int r = 0;
  for (; r + 4 <= rows; r += 4) {
    const float* in = x + r * ldx;
    int64_t k = 0;
    for (; k + 4 <= count; k += 4) {
      __m128 v0 = load_four<kRound>(in + k);
      __m128 v1 = load_four<kRound>(in + ldx + k);
      __m128 v2 = load_four<kRound>(in + 2 * ldx + k);
      __m128 v3 = load_four<kRound>(in + 3 * ldx + k);
      _MM_TRANSPOSE4_PS(v0, v1, v2, v3);
      _mm_storeu_ps(out + k * rows + r, v0);
      _mm_storeu_ps(out + (k + 1) * rows + r, v1);
      _mm_storeu_ps(out + (k + 2) * rows + r, v2);
      _mm_storeu_ps(out + (k + 3) * rows + r, v3);
    }
    for (; k < count; ++k)
      for (int i = 0; i < 4; ++i) out[k * rows + r + i] = load_one<kRound>(in + i * ldx + k);
  }
  for (; r < rows; ++r)
    for (int64_t k = 0; k < count; ++k) out[k * rows + r] = load_one<kRound>(x + r * ldx + k);
}

void pack_rows_f32(const float* x, int64_t ldx, int rows, int64_t count, void* out) {
  transpose_rows<false>(x, ldx, rows, count, static_cast<float*>(out));
}

void pack_rows_bf16(const float* x, int64_t ldx, int rows, int64_t count, void* out) {
  float* packed = static_cast<float*>(out);
  transpose_rows<true>(x, ldx, rows, count, packed);
  if (count % 2 == 0) return;
  for (int r = 0; r < rows; ++r) packed[count * rows + r] = 0.0f;
}

}  // namespace
}  // namespace azimuth::kernels
