// The row of an online softmax and the transposition of keys, for any Vec.
#pragma once

#include "kernels/table.h"
#include "kernels/x86/wide_math.h"
#include "kernels/x86/wide_products.h"

namespace azimuth::kernels {
namespace {

constexpr int kKeys = 64;  // of one block
constexpr int kScoreVectors = kKeys / Vec::kWidth;

// An 8 x 8 square: rows `stride` apart in, rows `out_stride` apart out.
AZ_WIDE void transpose_square(const float* in, int64_t stride, float* out, int64_t out_stride) {
#define AZ_HALVES(i) \
  _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(in + (i)*stride)), _mm_loadu_ps(in + ((i) + 4) * stride), 1)
#define AZ_TRANSPOSE_HALF()                                                                  \
  {                                                                                          \
    const __m256 r0 = AZ_HALVES(0), r1 = AZ_HALVES(1), r2 = AZ_HALVES(2), r3 = AZ_HALVES(3); \
    const __m256 low01 = _mm256_unpacklo_ps(r0, r1), high01 = _mm256_unpackhi_ps(r0, r1);    \
    const __m256 low23 = _mm256_unpacklo_ps(r2, r3), high23 = _mm256_unpackhi_ps(r2, r3);    \
    _mm256_storeu_ps(out, _mm256_shuffle_ps(low01, low23, 0x44));                            \
    _mm256_storeu_ps(out + out_stride, _mm256_shuffle_ps(low01, low23, 0xee));               \
    _mm256_storeu_ps(out + 2 * out_stride, _mm256_shuffle_ps(high01, high23, 0x44));         \
    _mm256_storeu_ps(out + 3 * out_stride, _mm256_shuffle_ps(high01, high23, 0xee));         \
  }
  AZ_TRANSPOSE_HALF()
  in += 4;
  out += 4 * out_stride;
  AZ_TRANSPOSE_HALF()
#undef AZ_TRANSPOSE_HALF
#undef AZ_HALVES
}

void transpose_keys(const float* keys, int64_t head_dim, float* out) {
  for (int first = 0; first < kKeys; first += kPanelWidth, out += head_dim * kPanelWidth) {
    for (int key = 0; key < kPanelWidth; key += 8) {
      const float* in = keys + (first + key) * head_dim;
      int64_t d = 0;
      for (; d + 8 <= head_dim; d += 8) transpose_square(in + d, head_dim, out + d * kPanelWidth + key, kPanelWidth);
      for (; d < head_dim; ++d)
        for (int i = 0; i < 8; ++i) out[d * kPanelWidth + key + i] = in[i * head_dim + d];
    }
  }
}

// kAll: every key of the block is seen. The order of sums is by key, the same in both cases.
template <bool kAll, bool kCap>
float soften(float* scores, int begin, int end, float scale, float soft_cap, float* maximum, float* sum) {
  const Vec::F nothing = Vec::all(-__builtin_inff());
  const Vec::F factor = Vec::all(scale);
  const Vec::F cap = Vec::all(soft_cap);
  Vec::F highest = Vec::all(*maximum);
  for (int v = 0; v < kScoreVectors; ++v) {
    Vec::F s = Vec::mul(Vec::load(scores + v * Vec::kWidth), factor);
    if constexpr (kCap) s = Vec::mul(cap, tanh_of(Vec::div(s, cap)));
    if constexpr (!kAll) s = Vec::select(Vec::lanes_between(v * Vec::kWidth, begin, end), s, nothing);
    Vec::store(scores + v * Vec::kWidth, s);
    highest = Vec::max(highest, s);
  }
  const float before = *maximum;
  const float now = Vec::highest(highest);
  const Vec::F shift = Vec::all(now);
  Vec::F sums = Vec::zero();
  for (int v = 0; v < kScoreVectors; ++v) {
    Vec::F e = exp_of(Vec::sub(Vec::load(scores + v * Vec::kWidth), shift));
    if constexpr (!kAll) e = Vec::select(Vec::lanes_between(v * Vec::kWidth, begin, end), e, Vec::zero());
    Vec::store(scores + v * Vec::kWidth, e);
    sums = Vec::add(sums, e);
  }
  const float block_sum = Vec::sum(sums);
  *maximum = now;
  if (before == now) {
    *sum += block_sum;
    return 1.0f;
  }
  alignas(64) float correction[Vec::kWidth];
  Vec::store(correction, exp_of(Vec::all(before - now)));
  *sum = *sum * correction[0] + block_sum;
  return correction[0];
}

float softmax_block(float* scores, int begin, int end, float scale, float soft_cap, float* maximum, float* sum) {
  const bool all = begin == 0 && end == kKeys;
  if (soft_cap > 0.0f) {
    return all ? soften<true, true>(scores, begin, end, scale, soft_cap, maximum, sum)
               : soften<false, true>(scores, begin, end, scale, soft_cap, maximum, sum);
  }
  return all ? soften<true, false>(scores, begin, end, scale, soft_cap, maximum, sum)
             : soften<false, false>(scores, begin, end, scale, soft_cap, maximum, sum);
}

}  // namespace
}  // namespace azimuth::kernels
