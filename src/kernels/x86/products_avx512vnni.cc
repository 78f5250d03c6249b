// Products with quantised weights by VPDPBUSD: four unsigned bytes times four signed ones, added in each lane of 32
// bits.
//
// Weights are the unsigned side: q8 quants with 128 added, q4 quants as they are stored. What that adds to a sum is a
// multiple of the sum of the activations, which is where the sums start.
#include "kernels/x86/vector_avx512.h"
// The vector comes first: the following are written in terms of it.
#include "kernels/x86/wide_quantise_rows.h"
#include "kernels/x86/x86.h"

namespace azimuth::kernels {
namespace {

constexpr int kHalfOutputs = 16;
constexpr int kQ4TileRows = 6;  // each row has sums of a run and of the block
// Rows of weights are asked for this many bytes ahead where a tile has too few rows to hide the way from memory.
constexpr int kFetchAhead = 2048;

// The instructions themselves: from the intrinsics g++ 12 makes copies of the sums in every step, and stores them.
// sum += unsigned bytes of w times signed bytes of x, in fours
AZ_WIDE void add_quads(__m512i& sum, __m512i w, __m512i x) {
  __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(w), "v"(x));
}
// sum += words of a times words of b, in pairs
AZ_WIDE void add_pairs(__m512i& sum, __m512i a, __m512i b) {
  __asm__("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
}

#define AZ_EACH_ROW(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)

// c += sums * scales, for the sums of row i; scale0 and scale1 are those of the weights.
#define AZ_SCALE_ROW(i)                                                                                         \
  if constexpr (kRows > i) {                                                                                    \
    float* out = c + i * kQuantPanel;                                                                           \
    const __m512 scale = _mm512_set1_ps(row_scales[i]);                                                         \
    _mm512_storeu_ps(                                                                                           \
        out, _mm512_fmadd_ps(_mm512_cvtepi32_ps(left##i), _mm512_mul_ps(scale0, scale), _mm512_loadu_ps(out))); \
    _mm512_storeu_ps(out + 16, _mm512_fmadd_ps(_mm512_cvtepi32_ps(right##i), _mm512_mul_ps(scale1, scale),      \
                                               _mm512_loadu_ps(out + 16)));                                     \
  }

// scales: bf16
AZ_WIDE __m512 load_scales(const uint8_t* p) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(IVec::widen16(p), 16));
}

AZ_WIDE void start_rows(float* c, int rows, bool accumulate) {
  if (accumulate) return;
  for (int i = 0; i < rows * kQuantPanel; i += 16) _mm512_storeu_ps(c + i, _mm512_setzero_ps());
}

// The four sums of 16 quants each.
AZ_WIDE void sum_runs(const int8_t* quants, int32_t* sums) {
  const __m512i quads = _mm512_dpbusd_epi32(_mm512_setzero_si512(), _mm512_set1_epi8(1), _mm512_loadu_si512(quants));
  alignas(64) int32_t lanes[16];
  __m512i pairs = _mm512_add_epi32(quads, _mm512_shuffle_epi32(quads, _MM_PERM_CDAB));
  pairs = _mm512_add_epi32(pairs, _mm512_shuffle_epi32(pairs, _MM_PERM_BADC));
  _mm512_store_si512(lanes, pairs);
  for (int run = 0; run < kQuantRuns; ++run) sums[run] = lanes[4 * run];
}

// ---------------------------------------------------------------------------------------------------------------------
// q8. Packed rows, per block: [16 quads][rows] of four bytes, [rows] where the sums start, scales [rows].

constexpr int64_t kQ8RowBytes = kQuantBlock + 4 + 4;

void pack_rows_q8(const float* x, int64_t ldx, int rows, int64_t inputs, float largest, void* out) {
  quantise_rows(
      x, ldx, rows, inputs,
      largest, [&](int row, int64_t block, const int8_t* quants, float scale) __attribute__((always_inline)) {
        auto* quads = reinterpret_cast<int32_t*>(static_cast<uint8_t*>(out) + block * rows * kQ8RowBytes);
        for (int quad = 0; quad < kQuantQuads; ++quad)
          __builtin_memcpy(quads + quad * rows + row, quants + 4 * quad, sizeof(int32_t));
        int32_t sums[kQuantRuns];
        sum_runs(quants, sums);
        quads[kQuantQuads * rows + row] = -kQ8Offset * (sums[0] + sums[1] + sums[2] + sums[3]);
        reinterpret_cast<float*>(quads + (kQuantQuads + 1) * rows)[row] = scale;
      });
}

template <int kRows>
void tile_q8_rows(const uint8_t* a, const uint8_t* weights, int64_t blocks, float* c, bool accumulate) {
  const __m512i offset = _mm512_set1_epi8(static_cast<char>(0x80));  // s8 -> u8, 128 added
  start_rows(c, kRows, accumulate);
  for (int64_t block = 0; block < blocks; ++block, a += kRows * kQ8RowBytes, weights += kQ8RecordBytes) {
    const auto* x = reinterpret_cast<const int32_t*>(a);
    const int32_t* starts = x + kQuantQuads * kRows;
    const auto* row_scales = reinterpret_cast<const float*>(starts + kRows);
#define AZ_DECLARE(i)                                                                    \
  [[maybe_unused]] __m512i left##i =                                                     \
      kRows > i ? _mm512_set1_epi32(starts[kRows > i ? i : 0]) : _mm512_setzero_si512(), \
                           right##i = left##i;
#define AZ_STEP(i)                                 \
  if constexpr (kRows > i) {                       \
    const __m512i quads = _mm512_set1_epi32(x[i]); \
    add_quads(left##i, w0, quads);                 \
    add_quads(right##i, w1, quads);                \
  }
    AZ_EACH_ROW(AZ_DECLARE)
    for (int quad = 0; quad < kQuantQuads; ++quad, x += kRows) {
      if constexpr (kRows < 3) {
        _mm_prefetch(weights + kFetchAhead + 128 * quad, _MM_HINT_T0);
        _mm_prefetch(weights + kFetchAhead + 128 * quad + 64, _MM_HINT_T0);
      }
      const __m512i w0 = _mm512_xor_si512(_mm512_loadu_si512(weights + kQuadBytes * quad), offset);
      const __m512i w1 = _mm512_xor_si512(_mm512_loadu_si512(weights + kQuadBytes * quad + 64), offset);
      AZ_EACH_ROW(AZ_STEP)
    }
    const __m512 scale0 = load_scales(weights + kQ8QuantBytes);
    const __m512 scale1 = load_scales(weights + kQ8QuantBytes + 32);
    AZ_EACH_ROW(AZ_SCALE_ROW)
#undef AZ_STEP
#undef AZ_DECLARE
  }
}

void tile_q8(const void* rows_packed, const void* records, int64_t blocks, int rows, float* c, bool accumulate) {
  const auto* a = static_cast<const uint8_t*>(rows_packed);
  const auto* w = static_cast<const uint8_t*>(records);
  switch (rows) {
    case 1: return tile_q8_rows<1>(a, w, blocks, c, accumulate);
    case 2: return tile_q8_rows<2>(a, w, blocks, c, accumulate);
    case 3: return tile_q8_rows<3>(a, w, blocks, c, accumulate);
    case 4: return tile_q8_rows<4>(a, w, blocks, c, accumulate);
    case 5: return tile_q8_rows<5>(a, w, blocks, c, accumulate);
    case 6: return tile_q8_rows<6>(a, w, blocks, c, accumulate);
    case 7: return tile_q8_rows<7>(a, w, blocks, c, accumulate);
    case 8: return tile_q8_rows<8>(a, w, blocks, c, accumulate);
    case 9: return tile_q8_rows<9>(a, w, blocks, c, accumulate);
    case 10: return tile_q8_rows<10>(a, w, blocks, c, accumulate);
    case 11: return tile_q8_rows<11>(a, w, blocks, c, accumulate);
    default: return tile_q8_rows<12>(a, w, blocks, c, accumulate);
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// q4. Packed rows, per block: [16 quads][rows] of four bytes, [4 runs][rows] where the sums start, scales [rows].

constexpr int64_t kQ4RowBytes = kQuantBlock + 4 * kQuantRuns + 4;

void pack_rows_q4(const float* x, int64_t ldx, int rows, int64_t inputs, float largest, void* out) {
  quantise_rows(
      x, ldx, rows, inputs,
      largest, [&](int row, int64_t block, const int8_t* quants, float scale) __attribute__((always_inline)) {
        auto* quads = reinterpret_cast<int32_t*>(static_cast<uint8_t*>(out) + block * rows * kQ4RowBytes);
        for (int quad = 0; quad < kQuantQuads; ++quad)
          __builtin_memcpy(quads + quad * rows + row, quants + 4 * quad, sizeof(int32_t));
        int32_t sums[kQuantRuns];
        sum_runs(quants, sums);
        for (int run = 0; run < kQuantRuns; ++run) quads[(kQuantQuads + run) * rows + row] = -kQ4Offset * sums[run];
        reinterpret_cast<float*>(quads + (kQuantQuads + kQuantRuns) * rows)[row] = scale;
      });
}

// The multipliers of a run, from the stored ones of its pair of runs, in 32 bits.
AZ_WIDE __m512i multipliers_of(const uint8_t* stored, int run) {
  const __m512i both = IVec::widen8(stored);
  return run % 2 == 0 ? _mm512_and_si512(both, _mm512_set1_epi32(15)) : _mm512_srli_epi32(both, 4);
}

template <int kRows>
void tile_q4_rows(const uint8_t* a, const uint8_t* weights, int64_t blocks, float* c, bool accumulate) {
  const __m512i low = _mm512_set1_epi8(15);
  start_rows(c, kRows, accumulate);
  for (int64_t block = 0; block < blocks; ++block, a += kRows * kQ4RowBytes, weights += kQ4RecordBytes) {
    const auto* x = reinterpret_cast<const int32_t*>(a);
    const int32_t* starts = x + kQuantQuads * kRows;
    const auto* row_scales = reinterpret_cast<const float*>(starts + kQuantRuns * kRows);
    const uint8_t* multipliers = weights + kQ4QuantBytes + kScaleBytes;
#define AZ_DECLARE(i) [[maybe_unused]] __m512i left##i = _mm512_setzero_si512(), right##i = left##i;
#define AZ_DECLARE_RUN(i)                                                                \
  [[maybe_unused]] __m512i run_left##i =                                                 \
      kRows > i ? _mm512_set1_epi32(starts[kRows > i ? i : 0]) : _mm512_setzero_si512(), \
                           run_right##i = run_left##i;
#define AZ_STEP(i)                                 \
  if constexpr (kRows > i) {                       \
    const __m512i quads = _mm512_set1_epi32(x[i]); \
    add_quads(run_left##i, w0, quads);             \
    add_quads(run_right##i, w1, quads);            \
  }
// A run's sum fits in the lower 16 bits of its lane; the multiplier's upper ones are zero.
#define AZ_ADD_RUN(i)                      \
  if constexpr (kRows > i) {               \
    add_pairs(left##i, run_left##i, m0);   \
    add_pairs(right##i, run_right##i, m1); \
  }
    AZ_EACH_ROW(AZ_DECLARE)
    for (int run = 0; run < kQuantRuns; ++run, starts += kRows) {
      AZ_EACH_ROW(AZ_DECLARE_RUN)
      for (int pair = 2 * run; pair < 2 * run + 2; ++pair) {
        if constexpr (kRows < 3) {
          _mm_prefetch(weights + kFetchAhead + 128 * pair, _MM_HINT_T0);
          _mm_prefetch(weights + kFetchAhead + 128 * pair + 64, _MM_HINT_T0);
        }
        const __m512i both0 = _mm512_loadu_si512(weights + kQuadBytes * pair);
        const __m512i both1 = _mm512_loadu_si512(weights + kQuadBytes * pair + 64);
        {
          const __m512i w0 = _mm512_and_si512(both0, low), w1 = _mm512_and_si512(both1, low);
          AZ_EACH_ROW(AZ_STEP)
        }
        x += kRows;
        {
          const __m512i w0 = _mm512_and_si512(_mm512_srli_epi16(both0, 4), low);
          const __m512i w1 = _mm512_and_si512(_mm512_srli_epi16(both1, 4), low);
          AZ_EACH_ROW(AZ_STEP)
        }
        x += kRows;
      }
      const __m512i m0 = multipliers_of(multipliers + run / 2 * kQuantPanel, run);
      const __m512i m1 = multipliers_of(multipliers + run / 2 * kQuantPanel + kHalfOutputs, run);
      AZ_EACH_ROW(AZ_ADD_RUN)
    }
    const __m512 scale0 = load_scales(weights + kQ4QuantBytes);
    const __m512 scale1 = load_scales(weights + kQ4QuantBytes + 32);
    AZ_EACH_ROW(AZ_SCALE_ROW)
#undef AZ_ADD_RUN
#undef AZ_STEP
#undef AZ_DECLARE_RUN
#undef AZ_DECLARE
  }
}

void tile_q4(const void* rows_packed, const void* records, int64_t blocks, int rows, float* c, bool accumulate) {
  const auto* a = static_cast<const uint8_t*>(rows_packed);
  const auto* w = static_cast<const uint8_t*>(records);
  switch (rows) {
    case 1: return tile_q4_rows<1>(a, w, blocks, c, accumulate);
    case 2: return tile_q4_rows<2>(a, w, blocks, c, accumulate);
    case 3: return tile_q4_rows<3>(a, w, blocks, c, accumulate);
    case 4: return tile_q4_rows<4>(a, w, blocks, c, accumulate);
    case 5: return tile_q4_rows<5>(a, w, blocks, c, accumulate);
    default: return tile_q4_rows<6>(a, w, blocks, c, accumulate);
  }
}

#undef AZ_SCALE_ROW
#undef AZ_EACH_ROW

// Signed bytes times the multiplier in both halves of their lane, within 8 bits.
AZ_WIDE __m512i times_multiplier(__m512i bytes, __m512i twice) {
  const __m512i even = _mm512_mullo_epi16(_mm512_srai_epi16(_mm512_slli_epi16(bytes, 8), 8), twice);
  const __m512i odd = _mm512_mullo_epi16(_mm512_srai_epi16(bytes, 8), twice);
  return _mm512_mask_blend_epi8(0xaaaaaaaaaaaaaaaaull, even, _mm512_slli_epi16(odd, 8));
}

// q4 records -> q8 records: multiplier * (quant - 8) fits in a signed byte.
void widen_to_q8(const void* records, int64_t blocks, void* out) {
  const auto* in = static_cast<const uint8_t*>(records);
  auto* wide = static_cast<uint8_t*>(out);
  const __m512i low = _mm512_set1_epi8(15), offset = _mm512_set1_epi8(kQ4Offset);
  for (int64_t block = 0; block < blocks; ++block, in += kQ4RecordBytes, wide += kQ8RecordBytes) {
    const uint8_t* scales = in + kQ4QuantBytes;
    __builtin_memcpy(wide + kQ8QuantBytes, scales, kScaleBytes);
    for (int run = 0; run < kQuantRuns; ++run) {
      const uint8_t* multipliers = scales + kScaleBytes + run / 2 * kQuantPanel;
      for (int half = 0; half < 2; ++half) {
        __m512i m = multipliers_of(multipliers + half * kHalfOutputs, run);
        m = _mm512_or_si512(m, _mm512_slli_epi32(m, 16));
        for (int pair = 2 * run; pair < 2 * run + 2; ++pair) {
          const __m512i both = _mm512_loadu_si512(in + kQuadBytes * pair + 64 * half);
          const __m512i first = _mm512_sub_epi8(_mm512_and_si512(both, low), offset);
          const __m512i second = _mm512_sub_epi8(_mm512_and_si512(_mm512_srli_epi16(both, 4), low), offset);
          uint8_t* quads = wide + 2 * kQuadBytes * pair + 64 * half;
          _mm512_storeu_si512(quads, times_multiplier(first, m));
          _mm512_storeu_si512(quads + kQuadBytes, times_multiplier(second, m));
        }
      }
    }
  }
}

constexpr QuantisedRows kQ8Rows = {12, kQ8RowBytes, pack_rows_q8, tile_q8};
constexpr QuantisedRows kQ4Rows = {kQ4TileRows, kQ4RowBytes, pack_rows_q4, tile_q4};

}  // namespace

const QuantisedKernels kAvx512VnniQ8 = {"avx512_vnni", kQ8Rows};
const QuantisedKernels kAvx512VnniQ4 = {"avx512_vnni", kQ4Rows, {kQ8Rows, widen_to_q8, kQ8RecordBytes}, 18};

}  // namespace azimuth::kernels
