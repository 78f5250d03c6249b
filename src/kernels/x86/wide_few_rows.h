// Attention of few rows, as one token has them, with a cache in bf16 or q8: keys and values are widened in registers
// on their way into sums. Unpacking them to memory first, which attention_rows.h does for many rows, would take longer
// than reading them. The arithmetic of a row is the same in both.
#pragma once

#include "kernels/attention_rows.h"

namespace azimuth::kernels {
namespace {

constexpr int kFewRows = 4;
constexpr int kFewSums = 8;  // registers for sums, of all rows together: enough to hide the latency of a multiply-add

// How many vectors beside each other the sums of a row are.
constexpr int few_vectors(int rows) {
  return rows == 1 ? kFewSums : rows == 2 ? kFewSums / 2 : 2;
}

// Sums of kRows rows over pairs of channels (scores) or of keys (outputs), kVectors wide:
// sums [kRows, kVectors] += first [kRows] * the first of each pair + second [kRows] * the second
template <int kRows, int kVectors, Stored kStored>
struct FewSums {
  static constexpr int kPairBytes = kStored == Stored::bf16 ? 4 : 2;
  Vec::F sums[kRows * kVectors];

  // `scale_of(v, first, second)` is applied to what was stored in q8.
  template <typename ScaleOf>
  AZ_WIDE void add(FewSums& s, const uint8_t* pairs, const float* first, const float* second, int64_t stride,
                   const ScaleOf& scale_of) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      Vec::F even, odd;
      unpack<kStored>(pairs + v * kPairBytes * Vec::kWidth, &even, &odd);
      if constexpr (kStored == Stored::q8) scale_of(v, even, odd);
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) {
        Vec::F& sum = s.sums[r * kVectors + v];
        sum = Vec::fma(Vec::all(second[r * stride]), odd, Vec::fma(Vec::all(first[r * stride]), even, sum));
      }
    }
  }
};

// queries [head_dim, kRows], keys of a block -> scores [kRows, 64] of the keys in `seen` and some beside them.
template <int kRows, Stored kStored>
void score_few(const float* queries, const AttentionTile& t, Clip seen, float* scores, Fetch& fetch) {
  constexpr int kVectors = least(few_vectors(kRows), kScoreVectors), kTogether = kVectors * Vec::kWidth;
  using Sums = FewSums<kRows, kVectors, kStored>;
  const float zeros[kRows] = {};
  for (int key = seen.begin / kTogether * kTogether; key < seen.end; key += kTogether) {
    Vec::F scales[kVectors];
    for (int v = 0; v < kVectors && kStored == Stored::q8; ++v)
      scales[v] = Vec::load(t.key_scales + key + v * Vec::kWidth);
    const auto scale_of = [&](int v, Vec::F& even, Vec::F& odd) __attribute__((always_inline)) {
      even = Vec::mul(even, scales[v]);
      odd = Vec::mul(odd, scales[v]);
    };
    Sums s;
    for (Vec::F& sum : s.sums) sum = Vec::zero();
    const uint8_t* pairs = static_cast<const uint8_t*>(t.keys) + key * Sums::kPairBytes;
    const float* x = queries;
    for (int c = 0; c < t.head_dim; c += 2, x += 2 * kRows, pairs += kRowKeys * Sums::kPairBytes) {
      fetch.some();
      Sums::add(s, pairs, x, c + 1 < t.head_dim ? x + kRows : zeros, 1, scale_of);
    }
    for (int r = 0; r < kRows; ++r)
      for (int v = 0; v < kVectors; ++v)
        Vec::store(scores + r * kRowKeys + key + v * Vec::kWidth, s.sums[r * kVectors + v]);
  }
}

// sums [kRows, sum_stride] += weights [kRows, 64] x values of a block, of the columns from `column` on, for the keys in
// `seen`. Weights of a neighbour in its pair are zero, and values finite.
template <int kRows, int kVectors, Stored kStored>
AZ_WIDE void weigh_few_columns(const float* weights, const AttentionTile& t, Clip seen, int column, Fetch& fetch) {
  using Sums = FewSums<kRows, kVectors, kStored>;
  Sums s;
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < kVectors; ++v)
      s.sums[r * kVectors + v] = Vec::load(t.sums + r * t.sum_stride + column + v * Vec::kWidth);
  const int64_t pair_stride = int64_t{t.value_channels} * Sums::kPairBytes;
  const auto* pairs = static_cast<const uint8_t*>(t.values) + seen.begin / 2 * pair_stride + column * Sums::kPairBytes;
  for (int k = seen.begin / 2 * 2; k < seen.end; k += 2, pairs += pair_stride) {
    fetch.some();
    const auto scale_of = [&](int, Vec::F& even, Vec::F& odd) __attribute__((always_inline)) {
      even = Vec::mul(even, Vec::all(t.value_scales[k]));
      odd = Vec::mul(odd, Vec::all(t.value_scales[k + 1]));
    };
    Sums::add(s, pairs, weights + k, weights + k + 1, kRowKeys, scale_of);
  }
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < kVectors; ++v)
      Vec::store(t.sums + r * t.sum_stride + column + v * Vec::kWidth, s.sums[r * kVectors + v]);
}

template <int kRows, Stored kStored>
void weigh_few(const float* weights, const AttentionTile& t, Clip seen, Fetch& fetch) {
  constexpr int kVectors = few_vectors(kRows), kTogether = kVectors * Vec::kWidth;
  int column = 0;
  for (; column + kTogether <= t.value_channels; column += kTogether)
    weigh_few_columns<kRows, kVectors, kStored>(weights, t, seen, column, fetch);
  for (; column < t.value_channels; column += Vec::kWidth)
    weigh_few_columns<kRows, 1, kStored>(weights, t, seen, column, fetch);
}

template <int kRows, Stored kStored>
void add_few_rows(const AttentionTile& t) {
  float* scores = static_cast<float*>(t.scratch);
  const Tile tile = tile_at(t, 0, scores);
  if (tile.seen.empty()) return;
  constexpr int kTogether = few_vectors(kRows) * Vec::kWidth;
  Fetch fetch(
      t, kRowKeys / kTogether * t.key_channels / 2 + (t.value_channels + kTogether - 1) / kTogether * kRowKeys / 2);
  score_few<kRows, kStored>(static_cast<const float*>(t.queries), t, tile.seen, scores, fetch);
  soften<kStored>(t, tile);
  weigh_few<kRows, kStored>(scores, t, tile.seen, fetch);
}

template <Stored kStored>
void add_block(const AttentionTile& t) {
  if constexpr (kStored != Stored::f32) {
    switch (t.rows) {
      case 1: return add_few_rows<1, kStored>(t);
      case 2: return add_few_rows<2, kStored>(t);
      case 3: return add_few_rows<3, kStored>(t);
      case kFewRows: return add_few_rows<kFewRows, kStored>(t);
      default: break;
    }
  }
  add_block_in_f32<kStored>(t);
}

}  // namespace
}  // namespace azimuth::kernels
