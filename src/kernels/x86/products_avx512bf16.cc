// Products of pairs of bf16 (VDPBF16PS): c += a0 b0 + a1 b1 in each lane, twice the rate of f32. Products of bf16 are
// exact in f32, and a sum rounds at most as often as in a chain of multiply-adds, so the same bound holds; subnormal
// operands and results count as zero.
#include <immintrin.h>

#include "kernels/x86/bf16_rows.h"
#include "kernels/x86/x86.h"

namespace azimuth::kernels {
namespace {

constexpr int kTileRows = 12;
constexpr int kWidth = 16;
constexpr int kPanelWidth = 2 * kWidth;

inline __attribute__((always_inline)) __m512bh load_pairs(const uint32_t* p) {
  return reinterpret_cast<__m512bh>(_mm512_loadu_si512(p));
}
inline __attribute__((always_inline)) __m512bh all_pairs(uint32_t pair) {
  return reinterpret_cast<__m512bh>(_mm512_set1_epi32(static_cast<int>(pair)));
}

#define AZ_EACH_ROW(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#define AZ_DECLARE(i) [[maybe_unused]] __m512 left##i = _mm512_setzero_ps(), right##i = _mm512_setzero_ps();
#define AZ_LOAD(i)                                    \
  if constexpr (kRows > i) {                          \
    left##i = _mm512_loadu_ps(c + i * ldc);           \
    right##i = _mm512_loadu_ps(c + i * ldc + kWidth); \
  }
#define AZ_STEP(i)                                \
  if constexpr (kRows > i) {                      \
    const __m512bh x = all_pairs(a[i]);           \
    left##i = _mm512_dpbf16_ps(left##i, x, b0);   \
    right##i = _mm512_dpbf16_ps(right##i, x, b1); \
  }
#define AZ_BIAS(i)                             \
  if constexpr (kRows > i) {                   \
    left##i = _mm512_add_ps(left##i, bias0);   \
    right##i = _mm512_add_ps(right##i, bias1); \
  }
#define AZ_STORE(i)                                   \
  if constexpr (kRows > i) {                          \
    _mm512_storeu_ps(c + i * ldc, left##i);           \
    _mm512_storeu_ps(c + i * ldc + kWidth, right##i); \
  }

// a [pairs, kRows], b [pairs, kPanelWidth]
template <int kRows>
void tile_rows(const uint32_t* a, const uint32_t* b, int64_t pairs, float* c, int64_t ldc, const float* bias,
               bool accumulate, const char* next, int64_t next_step) {
  AZ_EACH_ROW(AZ_DECLARE)
  if (accumulate) {
    AZ_EACH_ROW(AZ_LOAD)
  }
  for (int64_t k = 0; k < pairs; ++k, a += kRows, b += kPanelWidth, next += 2 * next_step) {
    _mm_prefetch(next, _MM_HINT_T0);
    const __m512bh b0 = load_pairs(b);
    const __m512bh b1 = load_pairs(b + kWidth);
    AZ_EACH_ROW(AZ_STEP)
  }
  if (bias != nullptr) {
    const __m512 bias0 = _mm512_loadu_ps(bias);
    const __m512 bias1 = _mm512_loadu_ps(bias + kWidth);
    AZ_EACH_ROW(AZ_BIAS)
  }
  AZ_EACH_ROW(AZ_STORE)
}

#undef AZ_DECLARE
#undef AZ_LOAD
#undef AZ_STEP
#undef AZ_BIAS
#undef AZ_STORE
#undef AZ_EACH_ROW

void tile(const void* rows_packed, const void* panel, int64_t count, int rows, float* c, int64_t ldc, const float* bias,
          bool accumulate, const void* next, int64_t next_step) {
  const char* fetch = static_cast<const char*>(next);
  const uint32_t* a = static_cast<const uint32_t*>(rows_packed);
  const uint32_t* b = static_cast<const uint32_t*>(panel);
  const int64_t pairs = (count + 1) / 2;
  switch (rows) {
    case 1: return tile_rows<1>(a, b, pairs, c, ldc, bias, accumulate, fetch, next_step);
    case 2: return tile_rows<2>(a, b, pairs, c, ldc, bias, accumulate, fetch, next_step);
    case 3: return tile_rows<3>(a, b, pairs, c, ldc, bias, accumulate, fetch, next_step);
    case 4: return tile_rows<4>(a, b, pairs, c, ldc, bias, accumulate, fetch, next_step);
    case 5: return tile_rows<5>(a, b, pairs, c, ldc, bias, accumulate, fetch, next_step);
    case 6: return tile_rows<6>(a, b, pairs, c, ldc, bias, accumulate, fetch, next_step);
    case 7: return tile_rows<7>(a, b, pairs, c, ldc, bias, accumulate, fetch, next_step);
    case 8: return tile_rows<8>(a, b, pairs, c, ldc, bias, accumulate, fetch, next_step);
    case 9: return tile_rows<9>(a, b, pairs, c, ldc, bias, accumulate, fetch, next_step);
    case 10: return tile_rows<10>(a, b, pairs, c, ldc, bias, accumulate, fetch, next_step);
    case 11: return tile_rows<11>(a, b, pairs, c, ldc, bias, accumulate, fetch, next_step);
    default: return tile_rows<12>(a, b, pairs, c, ldc, bias, accumulate, fetch, next_step);
  }
}

// One row against four panels at once: eight chains hide the latency, four streams keep memory busy.
void vector(const void* row_packed, const void* panel, int64_t panel_bytes, int64_t panels, int64_t count, float* c,
            const float* bias) {
  const uint32_t* row = static_cast<const uint32_t*>(row_packed);
  const uint8_t* start = static_cast<const uint8_t*>(panel);
  const int64_t pairs = (count + 1) / 2;
  for (; panels > 0; panels -= 4, start += 4 * panel_bytes, c += 4 * kPanelWidth) {
    const uint32_t* w0 = reinterpret_cast<const uint32_t*>(start);
    const uint32_t* w1 = panels > 1 ? reinterpret_cast<const uint32_t*>(start + panel_bytes) : w0;
    const uint32_t* w2 = panels > 2 ? reinterpret_cast<const uint32_t*>(start + 2 * panel_bytes) : w0;
    const uint32_t* w3 = panels > 3 ? reinterpret_cast<const uint32_t*>(start + 3 * panel_bytes) : w0;
    __m512 left0 = _mm512_setzero_ps(), left1 = left0, left2 = left0, left3 = left0;
    __m512 right0 = left0, right1 = left0, right2 = left0, right3 = left0;
    for (int64_t k = 0; k < pairs; ++k) {
      const __m512bh x = all_pairs(row[k]);
      const int64_t at = k * kPanelWidth;
#define AZ_STEP(i)                                               \
  left##i = _mm512_dpbf16_ps(left##i, x, load_pairs(w##i + at)); \
  right##i = _mm512_dpbf16_ps(right##i, x, load_pairs(w##i + at + kWidth));
      AZ_STEP(0) AZ_STEP(1) AZ_STEP(2) AZ_STEP(3)
#undef AZ_STEP
    }
#define AZ_STORE(i)                                                                                       \
  if (panels > i) {                                                                                       \
    const float* add = bias != nullptr ? bias + i * kPanelWidth : nullptr;                                \
    _mm512_storeu_ps(c + i * kPanelWidth, bias ? _mm512_add_ps(left##i, _mm512_loadu_ps(add)) : left##i); \
    _mm512_storeu_ps(c + i * kPanelWidth + kWidth,                                                        \
                     bias ? _mm512_add_ps(right##i, _mm512_loadu_ps(add + kWidth)) : right##i);           \
  }
    AZ_STORE(0)
    AZ_STORE(1)
    AZ_STORE(2)
    AZ_STORE(3)
#undef AZ_STORE
    if (bias != nullptr) bias += 4 * kPanelWidth;
  }
}

// in [rows, pairs] with row stride `stride` -> out [pairs, rows] in squares of four.
void transpose_pairs(const uint32_t* in, int64_t stride, int rows, int64_t pairs, uint32_t* out) {
  int r = 0;
  for (; r + 4 <= rows; r += 4) {
    const float* from = reinterpret_cast<const float*>(in + r * stride);
    for (int64_t k = 0; k < pairs; k += 4) {
      __m128 v0 = _mm_loadu_ps(from + k), v1 = _mm_loadu_ps(from + stride + k);
      __m128 v2 = _mm_loadu_ps(from + 2 * stride + k), v3 = _mm_loadu_ps(from + 3 * stride + k);
      _MM_TRANSPOSE4_PS(v0, v1, v2, v3);
      float* to = reinterpret_cast<float*>(out + k * rows + r);
      _mm_storeu_ps(to, v0);
      if (k + 1 < pairs) _mm_storeu_ps(to + rows, v1);
      if (k + 2 < pairs) _mm_storeu_ps(to + 2 * rows, v2);
      if (k + 3 < pairs) _mm_storeu_ps(to + 3 * rows, v3);
    }
  }
  for (; r < rows; ++r)
    for (int64_t k = 0; k < pairs; ++k) out[k * rows + r] = in[r * stride + k];
}

void pack_rows(const float* x, int64_t ldx, int rows, int64_t count, void* out) {
  uint32_t* packed = static_cast<uint32_t*>(out);
  if (rows == 1) return round_row(x, count, packed);
  constexpr int64_t kRun = 256;
  constexpr int64_t kStride = kRun / 2 + 4;  // four more for the last square
  alignas(64) uint32_t rounded[kTileRows * kStride];
  for (int64_t k = 0; k < count; k += kRun) {
    const int64_t run = count - k < kRun ? count - k : kRun;
    for (int r = 0; r < rows; ++r) round_row(x + r * ldx + k, run, rounded + r * kStride);
    transpose_pairs(rounded, kStride, rows, (run + 1) / 2, packed + k / 2 * rows);
  }
}

}  // namespace

const ProductKernels kAvx512Bf16Products = {
    "avx512_bf16", kTileRows, kPanelWidth, 2, pack_rows, tile, vector, nullptr, 2,
};

}  // namespace azimuth::kernels
