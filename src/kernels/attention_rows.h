// Attention in f32, in terms of what the including file defines beside it: kTileRows, kPanelWidth, and
//
//   score_tile    [rows, head_dim] packed x keys [head_dim][64] -> scores [rows, 64], of the keys in [begin, end) and
//                 as many around them as is convenient
//   highest_score scales and caps a row's raw scores in [begin, end); the largest of them and of one before
//   corrections   e^(before - now) for some rows at once, 1 where both are equal; [kMostTileRows]
//   weigh_scores  a row's scores to weights e^(score - highest), zero outside [begin, end); returns their sum
//   weigh_block  sums [rows, value_dim] += weights [rows, count] x values [count, value_dim]
//   scale_row     x *= factor
//   pack_tile     rows [count, head_dim] -> packed, rounded to bf16 on the way or not
//   unpack_keys, unpack_values    of bf16 and q8, to f32 [channels][64] and [64][channels]
//
// Keys that all rows of a tile see are summed for the tile at once, the others row by row, in the order of keys: a
// row's arithmetic is the same chain of operations whichever rows share its tile. Numbers outside a row's range are
// never used.
#pragma once

#include "kernels/attention_fetch.h"
#include "kernels/attention_tile.h"

namespace azimuth::kernels {
namespace {

constexpr int kKeys = 64;  // of one block
static_assert(kTileRows <= kMostTileRows);

struct Clip {
  int begin;
  int end;
  bool empty() const { return begin >= end; }
};

inline int least(int a, int b) {
  return a < b ? a : b;
}
inline int most(int a, int b) {
  return a > b ? a : b;
}

struct Block {
  const float* keys;    // [head_dim][64]
  const float* values;  // [64], value_stride apart
  int64_t value_stride;
  float* scores;  // [kTileRows, 64]
  Fetch* fetch;
};

inline void weigh_clip(const AttentionTile& t, const Block& block, int row, int r, int count, Clip clip) {
  if (clip.empty()) return;
  weigh_block(block.scores + r * kKeys + clip.begin, block.values + clip.begin * block.value_stride, block.value_stride,
              clip.end - clip.begin, count, t.value_dim, t.sums + row * t.sum_stride, t.sum_stride, *block.fetch);
}

// The online softmax of a tile's rows from `first` on, step by step for all of them: while one row waits for its
// largest score or its sum, others are at work.
template <typename ClipOf>
inline void soften(const AttentionTile& t, const Block& block, int first, int count, const ClipOf& clip) {
  alignas(64) float before[kMostTileRows] = {}, now[kMostTileRows] = {}, factors[kMostTileRows];
  for (int r = 0; r < count; ++r) {
    before[r] = now[r] = t.maxima[first + r];
    const Clip own = clip(r);
    if (!own.empty())
      now[r] = highest_score(block.scores + r * kKeys, own.begin, own.end, t.scale, t.soft_cap, before[r]);
  }
  corrections(before, now, factors);
  for (int r = 0; r < count; ++r) {
    const Clip own = clip(r);
    if (own.empty()) continue;
    float* total = t.totals + (first + r) * kTotalParts;
    *total = *total * factors[r] + weigh_scores(block.scores + r * kKeys, own.begin, own.end, now[r]);
    t.maxima[first + r] = now[r];
    if (factors[r] != 1.0f) scale_row(t.sums + (first + r) * t.sum_stride, t.sum_stride, factors[r]);
  }
}

// Adds a block to the rows from `first` on.
inline void add_tile(const AttentionTile& t, const Block& block, int first) {
  const int count = least(kTileRows, t.rows - first);
  const auto clip = [&](int r) { return Clip{t.begins[first + r], t.ends[first + r]}; };
  Clip seen{kKeys, 0};    // by any row
  Clip common{0, kKeys};  // by all rows
  for (int r = 0; r < count; ++r) {
    const Clip own = clip(r);
    common = {most(common.begin, own.begin), least(common.end, own.end)};
    if (!own.empty()) seen = {least(seen.begin, own.begin), most(seen.end, own.end)};
  }
  if (seen.empty()) return;
  const float* queries = static_cast<const float*>(t.queries) + static_cast<int64_t>(first) * t.head_dim;
  score_tile(queries, block.keys, t.head_dim, count, seen.begin, seen.end, block.scores, *block.fetch);
  soften(t, block, first, count, clip);
  if (common.empty()) common = {kKeys, kKeys};
  for (int r = 0; r < count; ++r)
    weigh_clip(t, block, first + r, r, 1, {clip(r).begin, least(clip(r).end, common.begin)});
  weigh_clip(t, block, first, 0, count, common);
  for (int r = 0; r < count; ++r) weigh_clip(t, block, first + r, r, 1, {most(clip(r).begin, common.end), clip(r).end});
}

template <Stored kStored>
void add_block_in_f32(const AttentionTile& t) {
  float* scratch = static_cast<float*>(t.scratch);
  float* room = scratch + kAttentionScratch / 4;
  Block block{static_cast<const float*>(t.keys), static_cast<const float*>(t.values), t.value_dim, scratch, nullptr};
  const int tiles = (t.rows + kTileRows - 1) / kTileRows;
  // Where a block is unpacked, one share for each row of pairs; else one for each panel of keys and channels of values.
  Fetch fetch(t, kStored != Stored::f32 ? t.key_channels / 2 + kKeys / 2
                                        : tiles * (kKeys + t.value_dim + kPanelWidth - 1) / kPanelWidth);
  if constexpr (kStored != Stored::f32) {
    float* keys = room;
    float* values = room + kKeys * static_cast<int64_t>(t.key_channels);
    unpack_keys<kStored>(t.keys, t.key_channels / 2, t.key_scales, keys, fetch);
    unpack_values<kStored>(t.values, t.value_channels, t.value_scales, values, fetch);
    block = {keys, values, t.value_channels, scratch, nullptr};
  }
  block.fetch = &fetch;
  for (int first = 0; first < t.rows; first += kTileRows) add_tile(t, block, first);
}

// [tiles][head_dim][rows of the tile]
template <bool kRounded>
void pack_queries_f32(const float* rows, int count, int head_dim, void* out) {
  float* to = static_cast<float*>(out);
  for (int first = 0; first < count; first += kTileRows) {
    const int n = least(kTileRows, count - first);
    const int64_t at = static_cast<int64_t>(first) * head_dim;
    pack_tile<kRounded>(rows + at, head_dim, n, to + at);
  }
}

}  // namespace
}  // namespace azimuth::kernels
