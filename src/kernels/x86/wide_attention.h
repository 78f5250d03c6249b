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

// a [count, kRows], b [count][64], of which two vectors -> c [kRows, 64]
template <int kRows>
void score_rows(const float* a, const float* b, int count, float* c) {
  AZ_EACH_ROW(AZ_DECLARE)
  for (int k = 0; k < count; ++k, a += kRows, b += kRowKeys) {
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

void score_tile(const float* rows, const float* keys, int head_dim, int count, int begin, int end, float* scores,
                Fetch& fetch) {
  for (int key = begin / kPanelWidth * kPanelWidth; key < end; key += kPanelWidth) {
    fetch.some();
#define AZ_CALL(n) \
  if constexpr (n <= kTileRows) score_rows<n>(rows, keys + key, head_dim, scores + key)
    AZ_FOR_ROWS(count, AZ_CALL)
#undef AZ_CALL
  }
}

void weigh_block(const float* weights, const float* values, int64_t value_stride, int64_t count, int rows, int columns,
                 float* c, int64_t ldc, Fetch& fetch) {
  for (int j = 0; j < columns; j += kPanelWidth) {
    fetch.some();
    weigh_values(weights, values + j, value_stride, count, rows, columns - j < kPanelWidth ? columns - j : kPanelWidth,
                 c + j, ldc);
  }
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
void unpack_keys(const void* stored, int pairs, const float* scales, float* out, Fetch& fetch) {
  constexpr int kPairBytes = kStored == Stored::bf16 ? 4 : 2;
  const uint8_t* in = static_cast<const uint8_t*>(stored);
  for (int p = 0; p < pairs; ++p, out += 2 * kRowKeys) {
    fetch.some();
    for (int k = 0; k < kRowKeys; k += Vec::kWidth, in += kPairBytes * Vec::kWidth) {
      Vec::F first, second;
      unpack<kStored>(in, &first, &second);
      if constexpr (kStored == Stored::q8) {
        const Vec::F scale = Vec::load(scales + k);
        first = Vec::mul(first, scale);
        second = Vec::mul(second, scale);
      }
      Vec::store(out + k, first);
      Vec::store(out + kRowKeys + k, second);
    }
  }
}

template <Stored kStored>
void unpack_values(const void* stored, int channels, const float* scales, float* out, Fetch& fetch) {
  constexpr int kPairBytes = kStored == Stored::bf16 ? 4 : 2;
  const uint8_t* in = static_cast<const uint8_t*>(stored);
  for (int p = 0; p < kRowKeys / 2; ++p, out += 2 * channels) {
    fetch.some();
    for (int c = 0; c < channels; c += Vec::kWidth, in += kPairBytes * Vec::kWidth) {
      Vec::F first, second;
      unpack<kStored>(in, &first, &second);
      if constexpr (kStored == Stored::q8) {
        first = Vec::mul(first, Vec::all(scales[2 * p]));
        second = Vec::mul(second, Vec::all(scales[2 * p + 1]));
      }
      Vec::store(out + c, first);
      Vec::store(out + channels + c, second);
    }
  }
}

// kAll: every key of the block is seen. The order of sums is by key, the same in both cases.
template <bool kAll, bool kCap>
float highest_of_scores(float* scores, int begin, int end, float scale, float soft_cap, float before) {
  const Vec::F nothing = Vec::all(-__builtin_inff());
  const Vec::F factor = Vec::all(scale);
  const Vec::F cap = Vec::all(soft_cap);
  Vec::F highest = Vec::all(before);
  for (int v = 0; v < kScoreVectors; ++v) {
    Vec::F s = Vec::mul(Vec::load(scores + v * Vec::kWidth), factor);
    if constexpr (kCap) s = Vec::mul(cap, tanh_of(Vec::div(s, cap)));
    if constexpr (!kAll) s = Vec::select(Vec::lanes_between(v * Vec::kWidth, begin, end), s, nothing);
    Vec::store(scores + v * Vec::kWidth, s);
    highest = Vec::max(highest, s);
  }
  return Vec::highest(highest);
}

AZ_WIDE bool is_whole(int begin, int end) {
  return begin == 0 && end == kRowKeys;
}

float highest_score(float* scores, int begin, int end, float scale, float soft_cap, float before) {
  if (soft_cap > 0.0f) {
    return is_whole(begin, end) ? highest_of_scores<true, true>(scores, begin, end, scale, soft_cap, before)
                                : highest_of_scores<false, true>(scores, begin, end, scale, soft_cap, before);
  }
  return is_whole(begin, end) ? highest_of_scores<true, false>(scores, begin, end, scale, soft_cap, before)
                              : highest_of_scores<false, false>(scores, begin, end, scale, soft_cap, before);
}

void corrections(const float* before, const float* now, float* factors) {
  for (int r = 0; r < kMostTileRows; r += Vec::kWidth) {
    const Vec::F a = Vec::load(before + r), b = Vec::load(now + r);
    Vec::store(factors + r, Vec::select(Vec::equal(a, b), Vec::all(1.0f), exp_of(Vec::sub(a, b))));
  }
}

template <bool kAll>
float weigh_scores(float* scores, int begin, int end, float highest) {
  const Vec::F shift = Vec::all(highest);
  Vec::F sums = Vec::zero();
  for (int v = 0; v < kScoreVectors; ++v) {
    Vec::F e = weight_of(Vec::sub(Vec::load(scores + v * Vec::kWidth), shift));
    if constexpr (!kAll) e = Vec::select(Vec::lanes_between(v * Vec::kWidth, begin, end), e, Vec::zero());
    Vec::store(scores + v * Vec::kWidth, e);
    sums = Vec::add(sums, e);
  }
  return Vec::sum(sums);
}

float weigh_scores(float* scores, int begin, int end, float highest) {
  return is_whole(begin, end) ? weigh_scores<true>(scores, begin, end, highest)
                              : weigh_scores<false>(scores, begin, end, highest);
}

}  // namespace
}  // namespace azimuth::kernels

// Written in terms of the above.
#include "kernels/attention_rows.h"

namespace azimuth::kernels {
namespace {

constexpr AttentionKernels attention_in_f32(const char* name, Stored stored) {
  return stored == Stored::f32
             ? AttentionKernels{name, false, pack_queries_f32<false>, add_block_in_f32<Stored::f32>, nullptr}
         : stored == Stored::bf16
             ? AttentionKernels{name, false, pack_queries_f32<true>, add_block_in_f32<Stored::bf16>, nullptr}
             : AttentionKernels{name, false, pack_queries_f32<true>, add_block_in_f32<Stored::q8>, nullptr};
}

}  // namespace
}  // namespace azimuth::kernels
