// Sixteen f32 lanes, for the wide_*.h files. Include in one file only, compiled with AVX-512 F, BW, VL and DQ:
// everything here is local to that file, so that no wide code can be linked into another.
#pragma once

#include <immintrin.h>
#include <stdint.h>

#include "kernels/quantised.h"

#define AZ_WIDE static inline __attribute__((always_inline))

namespace azimuth::kernels {
namespace {

struct Vec {
  using F = __m512;
  using Mask = __mmask16;
  static constexpr int kWidth = 16;

  AZ_WIDE F zero() { return _mm512_setzero_ps(); }
  AZ_WIDE F all(float x) { return _mm512_set1_ps(x); }
  AZ_WIDE F load(const float* p) { return _mm512_loadu_ps(p); }
  AZ_WIDE void store(float* p, F v) { _mm512_storeu_ps(p, v); }
  AZ_WIDE Mask first_lanes(int64_t n) { return static_cast<Mask>((1u << n) - 1u); }
  // The first n lanes, 0 < n < kWidth; the others read as zero and are not written.
  AZ_WIDE F load_part(const float* p, int64_t n) { return _mm512_maskz_loadu_ps(first_lanes(n), p); }
  AZ_WIDE void store_part(float* p, int64_t n, F v) { _mm512_mask_storeu_ps(p, first_lanes(n), v); }

  AZ_WIDE F add(F a, F b) { return _mm512_add_ps(a, b); }
  AZ_WIDE F sub(F a, F b) { return _mm512_sub_ps(a, b); }
  AZ_WIDE F mul(F a, F b) { return _mm512_mul_ps(a, b); }
  AZ_WIDE F div(F a, F b) { return _mm512_div_ps(a, b); }
  AZ_WIDE F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }    // a b + c
  AZ_WIDE F fnma(F a, F b, F c) { return _mm512_fnmadd_ps(a, b, c); }  // c - a b
  AZ_WIDE F max(F a, F b) { return _mm512_max_ps(a, b); }              // b where either is NaN
  AZ_WIDE F min(F a, F b) { return _mm512_min_ps(a, b); }              // b where either is NaN
  AZ_WIDE F round(F a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  AZ_WIDE F magnitude(F a) { return _mm512_andnot_ps(_mm512_set1_ps(-0.0f), a); }
  // |a| with the sign of b.
  AZ_WIDE F with_sign(F a, F b) {
    const F sign = _mm512_set1_ps(-0.0f);
    return _mm512_or_ps(_mm512_andnot_ps(sign, a), _mm512_and_ps(sign, b));
  }
  AZ_WIDE Mask less(F a, F b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
  AZ_WIDE Mask equal(F a, F b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
  AZ_WIDE F select(Mask m, F yes, F no) { return _mm512_mask_blend_ps(m, no, yes); }
  // Lanes whose index plus `first` lies in [begin, end).
  AZ_WIDE Mask lanes_between(int first, int begin, int end) {
    const uint64_t lanes = (end >= 64 ? ~uint64_t{0} : (uint64_t{1} << end) - 1) & ~((uint64_t{1} << begin) - 1);
    return static_cast<Mask>(lanes >> first);
  }
  AZ_WIDE bool any_equal(F a, F b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ) != 0; }
  AZ_WIDE F scale(F a, F n) { return _mm512_scalef_ps(a, n); }  // a 2^n
  AZ_WIDE F scale_near_one(F a, F n) { return scale(a, n); }

  AZ_WIDE float sum(F v) { return sum_256(_mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1))); }
  AZ_WIDE float sum_256(__m256 v) {
    __m128 x = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)));
  }
  AZ_WIDE float highest(F v) {
    const __m256 half = _mm256_max_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    __m128 x = _mm_max_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
    x = _mm_max_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_max_ss(x, _mm_movehdup_ps(x)));
  }

  // Eight f64 lanes: the sum of the f32 lanes in pairs, widened before they are added.
  using D = __m512d;
  AZ_WIDE D zero_f64() { return _mm512_setzero_pd(); }
  AZ_WIDE D add_f64(D sums, F v) {
    return _mm512_add_pd(
        sums, _mm512_add_pd(_mm512_cvtps_pd(_mm512_castps512_ps256(v)), _mm512_cvtps_pd(_mm512_extractf32x8_ps(v, 1))));
  }
  AZ_WIDE double sum_f64(D v) {
    const __m256d half = _mm256_add_pd(_mm512_castpd512_pd256(v), _mm512_extractf64x4_pd(v, 1));
    const __m128d x = _mm_add_pd(_mm256_castpd256_pd128(half), _mm256_extractf128_pd(half, 1));
    return _mm_cvtsd_f64(_mm_add_sd(x, _mm_unpackhi_pd(x, x)));
  }

  // bf16 weights in pairs (2k, 2k + 1) of one lane each.
  AZ_WIDE F even_bf16(const void* p) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_loadu_si512(p), 16)); }
  AZ_WIDE F odd_bf16(const void* p) {
    return _mm512_castsi512_ps(
        _mm512_and_si512(_mm512_loadu_si512(p), _mm512_set1_epi32(static_cast<int>(0xffff0000u))));
  }
};

// Whole numbers of 8, 16 or 32 bits in 64 bytes.
struct IVec {
  using I = __m512i;
  static constexpr int kBytes = 64;
  static constexpr Streams kQ8Streams = {2, 2048};  // as in vector_avx2.h
  static constexpr Streams kQ4Streams = {2, 2048};

  AZ_WIDE I zero() { return _mm512_setzero_si512(); }
  AZ_WIDE I all8(int x) { return _mm512_set1_epi8(static_cast<char>(x)); }
  AZ_WIDE I all16(int x) { return _mm512_set1_epi16(static_cast<short>(x)); }
  AZ_WIDE I all32(int x) { return _mm512_set1_epi32(x); }
  AZ_WIDE I load(const void* p) { return _mm512_loadu_si512(p); }
  AZ_WIDE void store(void* p, I v) { _mm512_storeu_si512(p, v); }
  AZ_WIDE I both(I a, I b) { return _mm512_and_si512(a, b); }
  AZ_WIDE I either(I a, I b) { return _mm512_or_si512(a, b); }
  template <int kBits>
  AZ_WIDE I up16(I a) {
    return _mm512_slli_epi16(a, kBits);
  }
  template <int kBits>
  AZ_WIDE I down16(I a) {
    return _mm512_srli_epi16(a, kBits);
  }
  template <int kBits>
  AZ_WIDE I down16_signed(I a) {
    return _mm512_srai_epi16(a, kBits);
  }
  template <int kBits>
  AZ_WIDE I up32(I a) {
    return _mm512_slli_epi32(a, kBits);
  }
  template <int kBits>
  AZ_WIDE I down32(I a) {
    return _mm512_srli_epi32(a, kBits);
  }
  template <int kBits>
  AZ_WIDE I down32_signed(I a) {
    return _mm512_srai_epi32(a, kBits);
  }
  AZ_WIDE I add8(I a, I b) { return _mm512_add_epi8(a, b); }
  AZ_WIDE I add16(I a, I b) { return _mm512_add_epi16(a, b); }
  AZ_WIDE I subtract16(I a, I b) { return _mm512_sub_epi16(a, b); }
  AZ_WIDE I max8(I a, I b) { return _mm512_max_epi8(a, b); }
  AZ_WIDE I max16(I a, I b) { return _mm512_max_epi16(a, b); }
  AZ_WIDE I add32(I a, I b) { return _mm512_add_epi32(a, b); }
  AZ_WIDE I max32(I a, I b) { return _mm512_max_epi32(a, b); }
  AZ_WIDE I pairs8(I unsigned_a, I b) { return _mm512_maddubs_epi16(unsigned_a, b); }  // of bytes, in 16 bits
  AZ_WIDE I pairs16(I a, I b) { return _mm512_madd_epi16(a, b); }                      // a0 b0 + a1 b1, in 32 bits
  AZ_WIDE Vec::F to_float(I a) { return _mm512_cvtepi32_ps(a); }
  AZ_WIDE I bits(Vec::F a) { return _mm512_castps_si512(a); }
  AZ_WIDE Vec::F of_bits(I a) { return _mm512_castsi512_ps(a); }
  // 16 bytes, or 16 values of 16 bits, each to 32 bits.
  AZ_WIDE I widen8(const void* p) { return _mm512_cvtepu8_epi32(_mm_loadu_si128(static_cast<const __m128i*>(p))); }
  AZ_WIDE I widen16(const void* p) { return _mm512_cvtepu16_epi32(_mm256_loadu_si256(static_cast<const __m256i*>(p))); }
  // To the nearest whole numbers of 8 bits: 64 bytes.
  AZ_WIDE void store_nearest8(int8_t* p, Vec::F a, Vec::F b, Vec::F c, Vec::F d) {
    const auto bytes = [](Vec::F v) __attribute__((always_inline)) {
      return _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(v));
    };
    auto* out = reinterpret_cast<__m128i*>(p);
    _mm_storeu_si128(out, bytes(a));
    _mm_storeu_si128(out + 1, bytes(b));
    _mm_storeu_si128(out + 2, bytes(c));
    _mm_storeu_si128(out + 3, bytes(d));
  }
  AZ_WIDE int highest32(I v) {
    const __m256i half = _mm256_max_epi32(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64(v, 1));
    __m128i x = _mm_max_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
    x = _mm_max_epi32(x, _mm_shuffle_epi32(x, 0x4e));
    return _mm_cvtsi128_si32(_mm_max_epi32(x, _mm_shuffle_epi32(x, 0xb1)));
  }
};

constexpr int kTileRows = 12;

}  // namespace
}  // namespace azimuth::kernels
