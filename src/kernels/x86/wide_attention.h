// Attention in f32, for any Vec.
#pragma once

#include "kernels/attention_fetch.h"
#include "kernels/attention_tile.h"
#include "kernels/x86/wide_math.h"
#include "kernels/x86/wide_products.h"

namespace azimuth::kernels {
namespace {

constexpr int kRowKeys = 64;  // of one block
constexpr int kScoreVectors = kRowKeys / Vec::kWidth;

#define AZ_EACH_ROW(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#define AZ_DECLARE(i) [[maybe_unused]] Vec::F left##i = Vec::zero(), right##i = Vec::zero();
#define AZ_STEP(i)                        \
  if constexpr (kRows > i) {              \
    const Vec::F x = Vec::all(a[i]);      \
    left##i = Vec::fma(x, b0, left##i);   \
    right##i = Vec::fma(x, b1, right##i); \
  }
#define AZ_STORE(i)                                       \
  if constexpr (kRows > i) {                              \
    Vec::store(c + i * kRowKeys, left##i);                \
    Vec::store(c + i * kRowKeys + Vec::kWidth, right##i); \
  }

// a [count, kRows], b [count] of one panel, kStride apart -> c [kRows, 64]
template <int kRows, int64_t kStride>
void score_rows(const float* a, const float* b, int count, float* c) {
  AZ_EACH_ROW(AZ_DECLARE)
#pragma GCC unroll 4
  for (int k = 0; k < count; ++k, a += kRows, b += kStride) {
    const Vec::F b0 = Vec::load(b);
    const Vec::F b1 = Vec::load(b + Vec::kWidth);
    AZ_EACH_ROW(AZ_STEP)
  }
  AZ_EACH_ROW(AZ_STORE)
}

#undef AZ_DECLARE
#undef AZ_STEP
#undef AZ_STORE
#undef AZ_EACH_ROW

template <int64_t kKeyStride>
void score_tile(const float* rows, const float* keys, int head_dim, int count, float* scores) {
#define AZ_CALL(n) \
  if constexpr (n <= kTileRows) score_rows<n, kKeyStride>(rows, keys, head_dim, scores)
  AZ_FOR_ROWS(count, AZ_CALL)
#undef AZ_CALL
}

void clear_weights(float* scores) {
  for (int v = 0; v < kScoreVectors; ++v) Vec::store(scores + v * Vec::kWidth, Vec::zero());
}

void scale_row(float* x, int64_t count, float factor) {  // count: a multiple of 16
  const Vec::F all = Vec::all(factor);
  for (int64_t i = 0; i < count; i += Vec::kWidth) Vec::store(x + i, Vec::mul(Vec::load(x + i), all));
}

template <bool kRounded>
void pack_tile(const float* rows, int head_dim, int count, float* out) {
  transpose_rows<kRounded>(rows, head_dim, count, head_dim, out);
}

// Pairs in -> the first and the second of each, as f32.
template <Stored kStored>
AZ_WIDE void unpack(const uint8_t* in, Vec::F* first, Vec::F* second) {
  if constexpr (kStored == Stored::bf16) {
    *first = Vec::even_bf16(in);
    *second = Vec::odd_bf16(in);
  } else {
    const IVec::I pairs = IVec::widen16(in);
    *first = IVec::to_float(IVec::down32_signed<24>(IVec::up32<24>(pairs)));
    *second = IVec::to_float(IVec::down32_signed<24>(IVec::up32<16>(pairs)));
  }
}

template <Stored kStored>
void unpack_keys(const void* stored, int channels, const float* scales, float* out, Fetch& fetch) {
  constexpr int kPairBytes = kStored == Stored::bf16 ? 4 : 2;
  const uint8_t* in = static_cast<const uint8_t*>(stored);
  for (int c = 0; c < channels; c += 2) {
    fetch.some();
    for (int k = 0; k < kRowKeys; k += Vec::kWidth, in += kPairBytes * Vec::kWidth) {
      Vec::F first, second;
      unpack<kStored>(in, &first, &second);
      if constexpr (kStored == Stored::q8) {
        const Vec::F scale = Vec::load(scales + k);
        first = Vec::mul(first, scale);
        second = Vec::mul(second, scale);
      }
      float* to = out + (k / kPanelWidth * static_cast<int64_t>(channels) + c) * kPanelWidth + k % kPanelWidth;
      Vec::store(to, first);
      Vec::store(to + kPanelWidth, second);
    }
  }
}

template <Stored kStored>
void unpack_values(const void* stored, int channels, const float* scales, float* out, Fetch& fetch) {
  constexpr int kPairBytes = kStored == Stored::bf16 ? 4 : 2;
  const uint8_t* in = static_cast<const uint8_t*>(stored);
  for (int k = 0; k < kRowKeys; k += 2) {
    fetch.some();
    for (int c = 0; c < channels; c += Vec::kWidth, in += kPairBytes * Vec::kWidth) {
      Vec::F first, second;
      unpack<kStored>(in, &first, &second);
      if constexpr (kStored == Stored::q8) {
        first = Vec::mul(first, Vec::all(scales[k]));
        second = Vec::mul(second, Vec::all(scales[k + 1]));
      }
      float* to = out + (c / kPanelWidth * int64_t{kRowKeys} + k) * kPanelWidth + c % kPanelWidth;
      Vec::store(to, first);
      Vec::store(to + kPanelWidth, second);
    }
  }
}

// What is left to multiply scores by: they stay raw where nothing caps them, and maxima are logarithms to base 2.
AZ_WIDE float factor_of(float scale, float soft_cap) {
  return soft_cap > 0.0f ? kLog2E : scale * kLog2E;
}

// kAll: every key of the block is seen. The order of sums is by key, the same in both cases.
template <bool kAll, bool kCap>
float highest_of_scores(float* scores, int begin, int end, float scale, float soft_cap) {
  const Vec::F nothing = Vec::all(-__builtin_inff());
  const Vec::F cap = Vec::all(soft_cap);
  Vec::F highest = nothing;
  for (int v = 0; v < kScoreVectors; ++v) {
    Vec::F s = Vec::load(scores + v * Vec::kWidth);
    if constexpr (kCap) {
      s = Vec::mul(cap, tanh_of(Vec::div(Vec::mul(s, Vec::all(scale)), cap)));
      Vec::store(scores + v * Vec::kWidth, s);
    }
    if constexpr (!kAll) s = Vec::select(Vec::lanes_between(v * Vec::kWidth, begin, end), s, nothing);
    highest = Vec::max(highest, s);
  }
  return Vec::highest(highest);
}

AZ_WIDE bool is_whole(int begin, int end) {
  return begin == 0 && end == kRowKeys;
}

float highest_score(float* scores, int begin, int end, float scale, float soft_cap, float before) {
  const bool whole = is_whole(begin, end);
  const float raw = soft_cap > 0.0f ? (whole ? highest_of_scores<true, true>(scores, begin, end, scale, soft_cap)
                                             : highest_of_scores<false, true>(scores, begin, end, scale, soft_cap))
                                    : (whole ? highest_of_scores<true, false>(scores, begin, end, scale, soft_cap)
                                             : highest_of_scores<false, false>(scores, begin, end, scale, soft_cap));
  const float highest = raw * factor_of(scale, soft_cap);
  return highest < before ? before : highest;
}

void corrections(const float* before, const float* now, float* factors) {
  for (int r = 0; r < kMostTileRows; r += Vec::kWidth) {
    const Vec::F a = Vec::load(before + r), b = Vec::load(now + r);
    Vec::store(factors + r, Vec::select(Vec::equal(a, b), Vec::all(1.0f), weight_of<true>(Vec::sub(a, b))));
  }
}

template <bool kExact, bool kAll>
float weights_of(float* scores, int begin, int end, float factor, float highest) {
  const Vec::F factors = Vec::all(factor), shift = Vec::all(-highest);
  Vec::F sums = Vec::zero();
  for (int v = 0; v < kScoreVectors; ++v) {
    Vec::F e = weight_of<kExact>(Vec::fma(Vec::load(scores + v * Vec::kWidth), factors, shift));
    if constexpr (!kAll) e = Vec::select(Vec::lanes_between(v * Vec::kWidth, begin, end), e, Vec::zero());
    Vec::store(scores + v * Vec::kWidth, e);
    sums = Vec::add(sums, e);
  }
  return Vec::sum(sums);
}

template <Stored kStored>
float weigh_scores(float* scores, int begin, int end, float scale, float soft_cap, float highest) {
  constexpr bool kExact = kStored == Stored::f32;
  const float factor = factor_of(scale, soft_cap);
  return is_whole(begin, end) ? weights_of<kExact, true>(scores, begin, end, factor, highest)
                              : weights_of<kExact, false>(scores, begin, end, factor, highest);
}

}  // namespace
}  // namespace azimuth::kernels

// Written in terms of the above.
#include "kernels/attention_rows.h"
#include "kernels/x86/wide_few_rows.h"

namespace azimuth::kernels {
namespace {

constexpr AttentionKernels attention_in_f32(const char* name, Stored stored) {
  return stored == Stored::f32 ? AttentionKernels{name, true, pack_queries_f32<false>, add_block<Stored::f32>, nullptr}
         : stored == Stored::bf16
             ? AttentionKernels{name, true, pack_queries_f32<true>, add_block<Stored::bf16>, nullptr}
             : AttentionKernels{name, true, pack_queries_f32<true>, add_block<Stored::q8>, nullptr};
}

}  // namespace
}  // namespace azimuth::kernels
