// The online softmax of scores that become bf16 weights, 16 rows at a time. In base 2: weights are 2^(s - maximum) with
// s = score * scale * log2 e. An error of 2^-13 of exp is far below the rounding of the weights (2^-9). For AVX-512
// with BF16; include behind vector_avx512.h.
#pragma once

#include "kernels/attention_fetch.h"
#include "kernels/attention_tile.h"
#include "kernels/x86/wide_math.h"

namespace azimuth::kernels {
namespace {

constexpr int kRowKeys = 64;  // of one block
constexpr int kRowGroup = 16;
constexpr int kShares = 4;

// 2^x. 2^f on [0, 1) as 1 + f + f (1 - f) P(f), 1.03e-4 at most.
AZ_WIDE __m512 exp2_of(__m512 x) {
  constexpr int kFraction = 0x09;  // x - floor(x)
  const __m512 f = _mm512_reduce_ps(x, kFraction);
  __m512 p = _mm512_fmadd_ps(f, _mm512_set1_ps(0.0782679684f), _mm512_set1_ps(0.2263076845f));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.6954243471f));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(1.0f));
  return _mm512_scalef_ps(p, x);
}

// The largest lane of each of 16 vectors, as the lanes of one.
AZ_WIDE __m512 largest_lanes(const __m512* v) {
  __m512 two[8], four[4];
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i)
    two[i] = _mm512_max_ps(_mm512_unpacklo_ps(v[2 * i], v[2 * i + 1]), _mm512_unpackhi_ps(v[2 * i], v[2 * i + 1]));
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const __m512d a = _mm512_castps_pd(two[2 * i]), b = _mm512_castps_pd(two[2 * i + 1]);
    four[i] = _mm512_max_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(a, b)), _mm512_castpd_ps(_mm512_unpackhi_pd(a, b)));
  }
  const auto join = [](__m512 a, __m512 b) __attribute__((always_inline)) {
    return _mm512_max_ps(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd));
  };
  return join(join(four[0], four[1]), join(four[2], four[3]));
}

// Keys that a row sees, one bit each.
AZ_WIDE uint64_t seen_keys(int begin, int end) {
  const uint64_t below = end >= 64 ? ~uint64_t{0} : (uint64_t{1} << end) - 1;
  return begin >= end ? 0 : below & ~((uint64_t{1} << begin) - 1);
}

// Scales and caps raw scores in place, where there is a cap: the factor that is left for soften_group.
template <bool kScaled>
void cap_scores(const AttentionTile& t, int count, float* scores) {
  const __m512 cap = _mm512_set1_ps(t.soft_cap), scale = _mm512_set1_ps(t.scale);
  for (int i = 0; i < count * kRowKeys; i += 16) {
    __m512 s = _mm512_mul_ps(_mm512_load_ps(scores + i), scale);
    if constexpr (kScaled) s = _mm512_mul_ps(s, _mm512_loadu_ps(t.key_scales + i % kRowKeys));
    _mm512_store_ps(scores + i, _mm512_mul_ps(cap, tanh_of(_mm512_div_ps(s, cap))));
  }
}

// Rows [first, first + count) of the tile: scores [16, 64] raw products in, weights [16, 64] bf16 out, zero for keys
// that a row does not see. Updates maxima and totals. Returns which rows' sums have to be scaled, by corrections [16].
// Calls between(0) to between(3) on the way: other work, for units that would wait.
template <bool kWhole, bool kKeyScales, bool kValueScales, typename Between>
AZ_WIDE __mmask16 soften_group(const AttentionTile& t, int first, int count, const float* scores, float factor,
                               uint16_t* weights, float* corrections, const Between& between) {
  const __m512 nothing = _mm512_set1_ps(-__builtin_inff());
  [[maybe_unused]] __m512 k0, k1, k2, k3;  // scales of keys
  if constexpr (kKeyScales) {
    k0 = _mm512_loadu_ps(t.key_scales);
    k1 = _mm512_loadu_ps(t.key_scales + 16);
    k2 = _mm512_loadu_ps(t.key_scales + 32);
    k3 = _mm512_loadu_ps(t.key_scales + 48);
  }
#define AZ_SCORE(v) (kKeyScales ? _mm512_mul_ps(_mm512_load_ps(s + 16 * v), k##v) : _mm512_load_ps(s + 16 * v))
#define AZ_SEEN(v) static_cast<__mmask16>(seen >> (16 * v))
  __m512 largest[kRowGroup];
#pragma GCC unroll 16
  for (int r = 0; r < kRowGroup; ++r) {
    const float* s = scores + r * kRowKeys;
    __m512 s0 = AZ_SCORE(0), s1 = AZ_SCORE(1), s2 = AZ_SCORE(2), s3 = AZ_SCORE(3);
    if constexpr (!kWhole) {
      const uint64_t seen = r < count ? seen_keys(t.begins[first + r], t.ends[first + r]) : 0;
      s0 = _mm512_mask_blend_ps(AZ_SEEN(0), nothing, s0);
      s1 = _mm512_mask_blend_ps(AZ_SEEN(1), nothing, s1);
      s2 = _mm512_mask_blend_ps(AZ_SEEN(2), nothing, s2);
      s3 = _mm512_mask_blend_ps(AZ_SEEN(3), nothing, s3);
    }
    largest[r] = _mm512_max_ps(_mm512_max_ps(s0, s1), _mm512_max_ps(s2, s3));
  }
  const __mmask16 rows = static_cast<__mmask16>((1u << count) - 1u);
  const __m512 before = _mm512_mask_loadu_ps(nothing, rows, t.maxima + first);
  const __m512 now = _mm512_max_ps(before, _mm512_mul_ps(largest_lanes(largest), _mm512_set1_ps(factor)));
  const __mmask16 changed = _mm512_cmp_ps_mask(before, now, _CMP_NEQ_UQ) & rows;
  _mm512_mask_storeu_ps(t.maxima + first, rows, now);
  if (changed) {
    const __m512 one = _mm512_set1_ps(1.0f);
    _mm512_store_ps(corrections, _mm512_mask_blend_ps(changed, one, exp2_of(_mm512_sub_ps(before, now))));
  }
  alignas(64) float shifts[kRowGroup];
  _mm512_store_ps(shifts, _mm512_sub_ps(_mm512_setzero_ps(), now));
  const __m512 f = _mm512_set1_ps(factor);
  [[maybe_unused]] __m512 v0, v1, v2, v3;  // scales of values
  if constexpr (kValueScales) {
    v0 = _mm512_loadu_ps(t.value_scales);
    v1 = _mm512_loadu_ps(t.value_scales + 16);
    v2 = _mm512_loadu_ps(t.value_scales + 32);
    v3 = _mm512_loadu_ps(t.value_scales + 48);
  }
  const auto soften = [&](int r) __attribute__((always_inline)) {
    const float* s = scores + r * kRowKeys;
    const __m512 shift = _mm512_set1_ps(shifts[r]);
    __m512 e0 = exp2_of(_mm512_fmadd_ps(AZ_SCORE(0), f, shift)), e1 = exp2_of(_mm512_fmadd_ps(AZ_SCORE(1), f, shift));
    __m512 e2 = exp2_of(_mm512_fmadd_ps(AZ_SCORE(2), f, shift)), e3 = exp2_of(_mm512_fmadd_ps(AZ_SCORE(3), f, shift));
    if constexpr (!kWhole) {
      const uint64_t seen = seen_keys(t.begins[first + r], t.ends[first + r]);
      e0 = _mm512_maskz_mov_ps(AZ_SEEN(0), e0);
      e1 = _mm512_maskz_mov_ps(AZ_SEEN(1), e1);
      e2 = _mm512_maskz_mov_ps(AZ_SEEN(2), e2);
      e3 = _mm512_maskz_mov_ps(AZ_SEEN(3), e3);
    }
    float* parts = t.totals + (first + r) * kTotalParts;
    __m512 total = _mm512_loadu_ps(parts);
    if (changed >> r & 1) total = _mm512_mul_ps(total, _mm512_set1_ps(corrections[r]));
    total = _mm512_add_ps(total, _mm512_add_ps(_mm512_add_ps(e0, e1), _mm512_add_ps(e2, e3)));
    _mm512_storeu_ps(parts, total);
    if constexpr (kValueScales) {
      e0 = _mm512_mul_ps(e0, v0);
      e1 = _mm512_mul_ps(e1, v1);
      e2 = _mm512_mul_ps(e2, v2);
      e3 = _mm512_mul_ps(e3, v3);
    }
    uint16_t* w = weights + r * kRowKeys;
    _mm512_store_si512(w, reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(e1, e0)));
    _mm512_store_si512(w + 32, reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(e3, e2)));
  };
  constexpr int kShare = kRowGroup / kShares;
  for (int share = 0; share < kShares; ++share) {
    for (int r = share * kShare; r < count && r < (share + 1) * kShare; ++r) soften(r);
    between(share);
  }
#undef AZ_SCORE
#undef AZ_SEEN
  return changed;
}

// The same for any tile. kScaled: keys and values have scales.
template <bool kScaled, typename Between>
AZ_WIDE __mmask16 soften_rows(const AttentionTile& t, int first, int count, float* scores, uint16_t* weights,
                              float* corrections, const Between& between) {
  if (t.soft_cap > 0.0f) {
    cap_scores<kScaled>(t, count, scores);
    return soften_group<false, false, kScaled>(t, first, count, scores, kLog2E, weights, corrections, between);
  }
  const float factor = t.scale * kLog2E;
  return t.whole
             ? soften_group<true, kScaled, kScaled>(t, first, count, scores, factor, weights, corrections, between)
             : soften_group<false, kScaled, kScaled>(t, first, count, scores, factor, weights, corrections, between);
}

// Scales the sums of the rows in `changed`.
AZ_WIDE void correct_sums(const AttentionTile& t, int first, __mmask16 changed, const float* corrections) {
  for (unsigned rows = changed; rows != 0; rows &= rows - 1) {
    const int r = __builtin_ctz(rows);
    const __m512 factor = _mm512_set1_ps(corrections[r]);
    float* sums = t.sums + (first + r) * t.sum_stride;
    for (int64_t j = 0; j < t.sum_stride; j += 16)
      _mm512_storeu_ps(sums + j, _mm512_mul_ps(_mm512_loadu_ps(sums + j), factor));
  }
}

// To nearest, ties to even. x [count] -> out [channels], filled up with zeros; channels: a multiple of 32.
AZ_WIDE void round_to_bf16(const float* x, int count, int channels, uint16_t* out) {
  for (int c = 0; c < channels; c += 16) {
    const int rest = count - c;
    const __mmask16 lanes = rest >= 16 ? 0xffff : rest <= 0 ? 0 : static_cast<__mmask16>((1u << rest) - 1u);
    const __m256bh rounded = _mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(lanes, x + c));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + c), reinterpret_cast<__m256i>(rounded));
  }
}

// Keys and values of a block in 8 bits -> bf16, exactly, to `room`.
struct Widened {
  const uint16_t* keys;
  const uint16_t* values;
};
constexpr int kWidenRun = 512;  // quants between two shares of what is asked for
AZ_WIDE int widen_shares(const AttentionTile& t) {
  return (t.key_channels + t.value_channels) * kRowKeys / kWidenRun;
}
AZ_WIDE void widen_quants(const void* quants, int64_t count, uint16_t* out, Fetch& fetch) {
  const int8_t* in = static_cast<const int8_t*>(quants);
  for (int64_t i = 0; i < count; i += 32) {
    const auto half = [&](int64_t at) __attribute__((always_inline)) {
      return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(in + i + at))));
    };
    _mm512_store_si512(out + i, reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(half(16), half(0))));
    if (i % kWidenRun == 0) fetch.some();
  }
}
AZ_WIDE Widened widen_block(const AttentionTile& t, Fetch& fetch) {
  uint16_t* room = reinterpret_cast<uint16_t*>(static_cast<uint8_t*>(t.scratch) + kAttentionScratch);
  const int64_t key_count = static_cast<int64_t>(t.key_channels) * kRowKeys;
  widen_quants(t.keys, key_count, room, fetch);
  widen_quants(t.values, static_cast<int64_t>(t.value_channels) * kRowKeys, room + key_count, fetch);
  return {room, room + key_count};
}

}  // namespace
}  // namespace azimuth::kernels
