// Eight f32 lanes, for the wide_*.h files. Include in one file only, compiled with -mavx2 -mfma: everything here is
// local to that file, so that no wide code can be linked into another.
#pragma once

#include <immintrin.h>
#include <stdint.h>

#include "kernels/quantised.h"

#define AZ_WIDE static inline __attribute__((always_inline))

namespace azimuth::kernels {
namespace {

struct Vec {
  using F = __m256;
  using Mask = __m256;  // all bits of a lane, or none
  static constexpr int kWidth = 8;

  AZ_WIDE F zero() { return _mm256_setzero_ps(); }
  AZ_WIDE F all(float x) { return _mm256_set1_ps(x); }
  AZ_WIDE F load(const float* p) { return _mm256_loadu_ps(p); }
  AZ_WIDE void store(float* p, F v) { _mm256_storeu_ps(p, v); }
  AZ_WIDE __m256i first_lanes(int64_t n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  // The first n lanes, 0 < n < kWidth; the others read as zero and are not written.
  AZ_WIDE F load_part(const float* p, int64_t n) { return _mm256_maskload_ps(p, first_lanes(n)); }
  AZ_WIDE void store_part(float* p, int64_t n, F v) { _mm256_maskstore_ps(p, first_lanes(n), v); }

  AZ_WIDE F add(F a, F b) { return _mm256_add_ps(a, b); }
  AZ_WIDE F sub(F a, F b) { return _mm256_sub_ps(a, b); }
  AZ_WIDE F mul(F a, F b) { return _mm256_mul_ps(a, b); }
  AZ_WIDE F div(F a, F b) { return _mm256_div_ps(a, b); }
  AZ_WIDE F fma(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }    // a b + c
  AZ_WIDE F fnma(F a, F b, F c) { return _mm256_fnmadd_ps(a, b, c); }  // c - a b
  AZ_WIDE F max(F a, F b) { return _mm256_max_ps(a, b); }              // b where either is NaN
  AZ_WIDE F min(F a, F b) { return _mm256_min_ps(a, b); }              // b where either is NaN
  AZ_WIDE F round(F a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  AZ_WIDE F magnitude(F a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
  // |a| with the sign of b.
  AZ_WIDE F with_sign(F a, F b) {
    const F sign = _mm256_set1_ps(-0.0f);
    return _mm256_or_ps(_mm256_andnot_ps(sign, a), _mm256_and_ps(sign, b));
  }
  AZ_WIDE Mask less(F a, F b) { return _mm256_cmp_ps(a, b, _CMP_LT_OQ); }
  AZ_WIDE Mask equal(F a, F b) { return _mm256_cmp_ps(a, b, _CMP_EQ_OQ); }
  AZ_WIDE F select(Mask m, F yes, F no) { return _mm256_blendv_ps(no, yes, m); }
  // Lanes whose index plus `first` lies in [begin, end).
  AZ_WIDE Mask lanes_between(int first, int begin, int end) {
    const __m256i lane = _mm256_add_epi32(_mm256_set1_epi32(first), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    return _mm256_castsi256_ps(_mm256_and_si256(_mm256_cmpgt_epi32(lane, _mm256_set1_epi32(begin - 1)),
                                                _mm256_cmpgt_epi32(_mm256_set1_epi32(end), lane)));
  }
  AZ_WIDE bool any_equal(F a, F b) { return _mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_EQ_OQ)) != 0; }
  // a 2^n for whole n in [-252, 252], in two steps so that neither leaves the range of exponents.
  AZ_WIDE F scale(F a, F n) {
    const __m256i whole = _mm256_cvtps_epi32(n);
    const __m256i half = _mm256_srai_epi32(whole, 1);
    const __m256i rest = _mm256_sub_epi32(whole, half);
    const __m256i bias = _mm256_set1_epi32(127);
    const F first = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(half, bias), 23));
    const F second = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(rest, bias), 23));
    return mul(mul(a, first), second);
  }
  // The same for a in [0.5, 2) and |n| <= 124: n goes into the exponent.
  AZ_WIDE F scale_near_one(F a, F n) {
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(a), _mm256_slli_epi32(_mm256_cvtps_epi32(n), 23)));
  }

  AZ_WIDE float sum(F v) {
    __m128 x = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)));
  }
  AZ_WIDE float highest(F v) {
    __m128 x = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    x = _mm_max_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_max_ss(x, _mm_movehdup_ps(x)));
  }

  // Four f64 lanes: the sum of the f32 lanes in pairs, widened before they are added.
  using D = __m256d;
  AZ_WIDE D zero_f64() { return _mm256_setzero_pd(); }
  AZ_WIDE D add_f64(D sums, F v) {
    return _mm256_add_pd(
        sums, _mm256_add_pd(_mm256_cvtps_pd(_mm256_castps256_ps128(v)), _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1))));
  }
  AZ_WIDE double sum_f64(D v) {
    const __m128d x = _mm_add_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd(v, 1));
    return _mm_cvtsd_f64(_mm_add_sd(x, _mm_unpackhi_pd(x, x)));
  }

  // bf16 weights in pairs (2k, 2k + 1) of one lane each.
  AZ_WIDE F even_bf16(const void* p) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_loadu_si256(static_cast<const __m256i*>(p)), 16));
  }
  AZ_WIDE F odd_bf16(const void* p) {
    return _mm256_and_ps(_mm256_loadu_ps(static_cast<const float*>(p)),
                         _mm256_castsi256_ps(_mm256_set1_epi32(static_cast<int>(0xffff0000u))));
  }
};

// Whole numbers of 8, 16 or 32 bits in 32 bytes.
struct IVec {
  using I = __m256i;
  static constexpr int kBytes = 32;
  // How products of one row of quantised weights read memory (wide_quantised.h). On processors of this width one stream
  // with every line asked for is read fastest in q8, two streams in q4, which has more to compute for each line.
  static constexpr Streams kQ8Streams = {1, 1024};
  static constexpr Streams kQ4Streams = {2, kQ4RecordBytes};

  AZ_WIDE I zero() { return _mm256_setzero_si256(); }
  AZ_WIDE I all8(int x) { return _mm256_set1_epi8(static_cast<char>(x)); }
  AZ_WIDE I all16(int x) { return _mm256_set1_epi16(static_cast<short>(x)); }
  AZ_WIDE I all32(int x) { return _mm256_set1_epi32(x); }
  AZ_WIDE I load(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
  AZ_WIDE void store(void* p, I v) { _mm256_storeu_si256(static_cast<__m256i*>(p), v); }
  AZ_WIDE I both(I a, I b) { return _mm256_and_si256(a, b); }
  AZ_WIDE I either(I a, I b) { return _mm256_or_si256(a, b); }
  template <int kBits>
  AZ_WIDE I up16(I a) {
    return _mm256_slli_epi16(a, kBits);
  }
  template <int kBits>
  AZ_WIDE I down16(I a) {
    return _mm256_srli_epi16(a, kBits);
  }
  template <int kBits>
  AZ_WIDE I down16_signed(I a) {
    return _mm256_srai_epi16(a, kBits);
  }
  template <int kBits>
  AZ_WIDE I up32(I a) {
    return _mm256_slli_epi32(a, kBits);
  }
  template <int kBits>
  AZ_WIDE I down32(I a) {
    return _mm256_srli_epi32(a, kBits);
  }
  template <int kBits>
  AZ_WIDE I down32_signed(I a) {
    return _mm256_srai_epi32(a, kBits);
  }
  AZ_WIDE I add8(I a, I b) { return _mm256_add_epi8(a, b); }
  AZ_WIDE I add16(I a, I b) { return _mm256_add_epi16(a, b); }
  AZ_WIDE I subtract16(I a, I b) { return _mm256_sub_epi16(a, b); }
  AZ_WIDE I max8(I a, I b) { return _mm256_max_epi8(a, b); }
  AZ_WIDE I max16(I a, I b) { return _mm256_max_epi16(a, b); }
  AZ_WIDE I add32(I a, I b) { return _mm256_add_epi32(a, b); }
  AZ_WIDE I max32(I a, I b) { return _mm256_max_epi32(a, b); }
  AZ_WIDE I pairs8(I unsigned_a, I b) { return _mm256_maddubs_epi16(unsigned_a, b); }  // of bytes, in 16 bits
  AZ_WIDE I pairs16(I a, I b) { return _mm256_madd_epi16(a, b); }                      // a0 b0 + a1 b1, in 32 bits
  AZ_WIDE Vec::F to_float(I a) { return _mm256_cvtepi32_ps(a); }
  AZ_WIDE I bits(Vec::F a) { return _mm256_castps_si256(a); }
  AZ_WIDE Vec::F of_bits(I a) { return _mm256_castsi256_ps(a); }
  // 8 bytes, or 8 values of 16 bits, each to 32 bits.
  AZ_WIDE I widen8(const void* p) { return _mm256_cvtepu8_epi32(_mm_loadl_epi64(static_cast<const __m128i*>(p))); }
  AZ_WIDE I widen16(const void* p) { return _mm256_cvtepu16_epi32(_mm_loadu_si128(static_cast<const __m128i*>(p))); }
  // To the nearest whole numbers of 8 bits: 32 bytes.
  AZ_WIDE void store_nearest8(int8_t* p, Vec::F a, Vec::F b, Vec::F c, Vec::F d) {
    const __m256i ab = _mm256_packs_epi32(_mm256_cvtps_epi32(a), _mm256_cvtps_epi32(b));
    const __m256i cd = _mm256_packs_epi32(_mm256_cvtps_epi32(c), _mm256_cvtps_epi32(d));
    const __m256i fours = _mm256_packs_epi16(ab, cd);  // each half has the lower or the upper four of a, b, c, d
    store(p, _mm256_permutevar8x32_epi32(fours, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7)));
  }
  AZ_WIDE int highest32(I v) {
    __m128i x = _mm_max_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    x = _mm_max_epi32(x, _mm_shuffle_epi32(x, 0x4e));
    return _mm_cvtsi128_si32(_mm_max_epi32(x, _mm_shuffle_epi32(x, 0xb1)));
  }
};

constexpr int kTileRows = 6;

}  // namespace
}  // namespace azimuth::kernels
