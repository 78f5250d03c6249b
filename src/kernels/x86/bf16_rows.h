// Rows of f32 to bf16. Everything is local to the including file, which is compiled with AVX-512.
#pragma once

#include <immintrin.h>
#include <stdint.h>

namespace azimuth::kernels {
namespace {

constexpr int kBf16Lanes = 16;

// To nearest, ties to even, as f32_to_bf16: VCVTNEPS2BF16 would drop subnormal numbers. Lanes outside `lanes` are not
// read.
inline __attribute__((always_inline)) __m256i round_bf16(const float* p, __mmask16 lanes) {
  const __m512 x = _mm512_maskz_loadu_ps(lanes, p);
  const __m512i bits = _mm512_castps_si512(x);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
  const __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
  const __m512i quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x400000));
  return _mm512_cvtepi32_epi16(_mm512_srli_epi32(_mm512_mask_blend_epi32(nan, rounded, quiet), 16));
}

// x [count] -> pairs of bf16, the last one filled up with zero.
void round_row(const float* x, int64_t count, uint32_t* out) {
  int64_t k = 0;
  for (; k + kBf16Lanes <= count; k += kBf16Lanes)
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + k / 2), round_bf16(x + k, 0xffff));
  if (k == count) return;
  const int64_t rest = count - k;
  const __m256i last = round_bf16(x + k, static_cast<__mmask16>((1u << rest) - 1u));
  _mm256_mask_storeu_epi32(out + k / 2, static_cast<__mmask8>((1u << ((rest + 1) / 2)) - 1u), last);
}

}  // namespace
}  // namespace azimuth::kernels
