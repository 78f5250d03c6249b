// Attention in f32, in terms of what the including file defines beside it: kTileRows, kPanelWidth, and
//
//   score_tile    [rows, head_dim] packed x one panel of keys [head_dim], kKeyStride apart -> scores [rows, 64]
//   highest_score the largest of a row's raw scores in [begin, end), scaled and capped, and of one before; whether the
//                 scores are left raw is up to the file
//   corrections   e^(before - now) for some rows at once, 1 where both are equal; [kMostTileRows]
//   weigh_scores  what highest_score left to weights e^(score - highest), zero outside [begin, end), for a type of
//                 cache, whose precision they need; returns their sum
//   clear_weights [64] zeros
//   weigh_panel   sums [rows, columns] += weights [rows, count] x values [count, columns], up to kPanelWidth columns
//   scale_row     x *= factor
//   pack_tile     rows [count, head_dim] -> packed, rounded to bf16 on the way or not
//   unpack_keys, unpack_values    of bf16 and q8, to f32 [64 / kPanelWidth][channels][kPanelWidth] and
//                 [channels / kPanelWidth][64][kPanelWidth]
//
// Tile by tile, some panels of keys are multiplied, as many as stay in the nearest cache, then the next ones; behind
// the softmax the same with panels of values.
//
// A row's arithmetic is the same chain of operations in the order of keys, whichever rows share its tile. Numbers
// outside a row's range are never used.
#pragma once

#include "kernels/attention_fetch.h"
#include "kernels/attention_tile.h"

namespace azimuth::kernels {
namespace {

constexpr int kKeys = 64;  // of one block
static_assert(kTileRows <= kMostTileRows && kKeys % kPanelWidth == 0);
constexpr int kChunkTiles = kAttentionScratch / (4 * kKeys * kTileRows);  // whose scores are kept
constexpr int kNearFloats = 4096;                                         // half of a nearest cache of 32 KiB

constexpr int least(int a, int b) {
  return a < b ? a : b;
}
constexpr int most(int a, int b) {
  return a > b ? a : b;
}

struct Clip {
  int begin;
  int end;
  bool empty() const { return begin >= end; }
};
inline Clip both(Clip a, Clip b) {
  return {most(a.begin, b.begin), least(a.end, b.end)};
}

// In a cache of f32 rows of a panel lie as far apart as those of the whole, else they were unpacked side by side.
template <Stored kStored>
struct Block {
  static constexpr bool kUnpacked = kStored != Stored::f32;
  static constexpr int64_t kKeyStride = kUnpacked ? kPanelWidth : kKeys;  // from one channel to the next
  static constexpr int64_t kValueStride = kUnpacked ? kPanelWidth : 0;    // from one key to the next; 0: value_width

  const float* keys;
  int64_t key_panel;  // from one panel to the next
  const float* values;
  int64_t value_panel;
  int64_t value_width;  // of a cache of f32

  inline int64_t value_stride() const { return kUnpacked ? kValueStride : value_width; }
};

// Rows that are multiplied together.
struct Tile {
  int first;
  int count;
  Clip seen;      // keys that any row sees
  Clip common;    // keys that all rows see
  float* scores;  // [count, 64]
};

inline Clip clip_of(const AttentionTile& t, int row) {
  return {t.begins[row], t.ends[row]};
}

inline Tile tile_at(const AttentionTile& t, int first, float* scores) {
  Tile tile = {first, least(kTileRows, t.rows - first), {kKeys, 0}, {0, kKeys}, scores};
  for (int row = first; row < first + tile.count; ++row) {
    const Clip own = clip_of(t, row);
    tile.common = both(tile.common, own);
    if (!own.empty()) tile.seen = {least(tile.seen.begin, own.begin), most(tile.seen.end, own.end)};
  }
  if (tile.common.empty()) tile.common = {kKeys, kKeys};
  return tile;
}

// Scores of the panels that begin in `keys`.
template <Stored kStored>
inline void score(const AttentionTile& t, const Block<kStored>& block, const Tile& tile, Clip keys, Fetch& fetch) {
  const float* queries = static_cast<const float*>(t.queries) + static_cast<int64_t>(tile.first) * t.head_dim;
  const Clip seen = both(keys, {tile.seen.begin / kPanelWidth * kPanelWidth, tile.seen.end});
  for (int key = seen.begin; key < seen.end; key += kPanelWidth) {
    fetch.some();
    score_tile<Block<kStored>::kKeyStride>(queries, block.keys + key / kPanelWidth * block.key_panel, t.head_dim,
                                           tile.count, tile.scores + key);
  }
}

// The online softmax of a tile, step by step for all of its rows: while one row waits for its largest score or its
// sum, others are at work.
template <Stored kStored>
inline void soften(const AttentionTile& t, const Tile& tile) {
  alignas(64) float before[kMostTileRows] = {}, now[kMostTileRows] = {}, factors[kMostTileRows];
  for (int r = 0; r < tile.count; ++r) {
    before[r] = now[r] = t.maxima[tile.first + r];
    const Clip own = clip_of(t, tile.first + r);
    if (!own.empty())
      now[r] = highest_score(tile.scores + r * kKeys, own.begin, own.end, t.scale, t.soft_cap, before[r]);
  }
  corrections(before, now, factors);
  for (int r = 0; r < tile.count; ++r) {
    const int row = tile.first + r;
    const Clip own = clip_of(t, row);
    if (own.empty()) {
      clear_weights(tile.scores + r * kKeys);
      continue;
    }
    float* total = t.totals + row * kTotalParts;
    *total = *total * factors[r] +
             weigh_scores<kStored>(tile.scores + r * kKeys, own.begin, own.end, t.scale, t.soft_cap, now[r]);
    t.maxima[row] = now[r];
    if (factors[r] != 1.0f) scale_row(t.sums + row * t.sum_stride, t.sum_stride, factors[r]);
  }
}

template <Stored kStored>
inline void weigh_clip(const AttentionTile& t, const Block<kStored>& block, const Tile& tile, int r, int count,
                       Clip keys, Clip columns, Fetch& fetch) {
  if (keys.empty()) return;
  const float* values = block.values + keys.begin * block.value_stride();
  float* sums = t.sums + (tile.first + r) * t.sum_stride;
  for (int column = columns.begin; column < columns.end; column += kPanelWidth) {
    fetch.some();
    weigh_panel<Block<kStored>::kValueStride>(
        tile.scores + r * kKeys + keys.begin, values + column / kPanelWidth * block.value_panel, block.value_stride(),
        keys.end - keys.begin, count, least(columns.end - column, kPanelWidth), sums + column, t.sum_stride);
  }
}

// Values that were unpacked are finite, so that the keys that a row does not see add nothing: their weights are zero.
// Others may be anything, and a row takes part only where it sees them.
template <Stored kStored>
inline void weigh(const AttentionTile& t, const Block<kStored>& block, const Tile& tile, Clip columns, Fetch& fetch) {
  if constexpr (Block<kStored>::kUnpacked) {
    weigh_clip(t, block, tile, 0, tile.count, tile.seen, columns, fetch);
  } else {
    const auto row_alone = [&](int r, Clip keys) {
      weigh_clip(t, block, tile, r, 1, both(keys, clip_of(t, tile.first + r)), columns, fetch);
    };
    for (int r = 0; r < tile.count; ++r) row_alone(r, {0, tile.common.begin});
    weigh_clip(t, block, tile, 0, tile.count, tile.common, columns, fetch);
    for (int r = 0; r < tile.count; ++r) row_alone(r, {tile.common.end, kKeys});
  }
}

// Adds a block to the rows from `first` on, as many as there is room for scores.
template <Stored kStored>
inline void add_rows(const AttentionTile& t, const Block<kStored>& block, int first, float* scores, Fetch& fetch) {
  Tile tiles[kChunkTiles];
  int count = 0;
  const int end = least(t.rows, first + kChunkTiles * kTileRows);
  for (; first < end; first += kTileRows, scores += kTileRows * kKeys) {
    tiles[count] = tile_at(t, first, scores);
    if (!tiles[count].seen.empty()) ++count;
  }
  const int keys = most(kNearFloats / t.head_dim / kPanelWidth, 1) * kPanelWidth;
  for (int key = 0; key < kKeys; key += keys) {
    for (int i = 0; i < count; ++i) {
      score(t, block, tiles[i], {key, least(key + keys, kKeys)}, fetch);
      if (key + keys >= kKeys) soften<kStored>(t, tiles[i]);
    }
  }
  constexpr int kColumns = most(kNearFloats / kKeys / kPanelWidth, 1) * kPanelWidth;
  for (int column = 0; column < t.value_dim; column += kColumns)
    for (int i = 0; i < count; ++i) weigh(t, block, tiles[i], {column, least(column + kColumns, t.value_dim)}, fetch);
}

template <Stored kStored>
void add_block_in_f32(const AttentionTile& t) {
  float* scratch = static_cast<float*>(t.scratch);
  const int tiles = (t.rows + kTileRows - 1) / kTileRows;
  // Where a block is unpacked, one share for each row of pairs; else one for each panel of keys and channels of values.
  Fetch fetch(t, kStored != Stored::f32 ? t.key_channels / 2 + kKeys / 2
                                        : tiles * (kKeys + t.value_dim + kPanelWidth - 1) / kPanelWidth);
  Block<kStored> block;
  if constexpr (kStored == Stored::f32) {
    block = {static_cast<const float*>(t.keys), kPanelWidth, static_cast<const float*>(t.values), kPanelWidth,
             t.value_dim};
  } else {
    float* keys = scratch + kAttentionScratch / 4;
    float* values = keys + kKeys * static_cast<int64_t>(t.key_channels);
    unpack_keys<kStored>(t.keys, t.key_channels, t.key_scales, keys, fetch);
    unpack_values<kStored>(t.values, t.value_channels, t.value_scales, values, fetch);
    block = {keys, static_cast<int64_t>(t.key_channels) * kPanelWidth, values, kKeys * kPanelWidth, 0};
  }
  for (int first = 0; first < t.rows; first += kChunkTiles * kTileRows)
    add_rows<kStored>(t, block, first, scratch, fetch);
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
