// Attention by AMX tiles (TDPBF16PS): 16 rows x 16 keys x 32 channels in one instruction, and 16 rows x 16 channels x
// 32 keys. Keys and values lie in blocks as the right-hand tiles want them. Sixteen rows are a group; while the
// vector registers turn the scores of one into weights, the tiles have those of the next and the values of the one
// before it to multiply.
#include "kernels/x86/vector_avx512.h"
// The vector comes first: the following are written in terms of it.
#include "kernels/x86/amx_tiles.h"
#include "kernels/x86/wide_soft_rows.h"
#include "kernels/x86/x86.h"

namespace azimuth::kernels {
namespace {

constexpr int64_t kLine = 64;
constexpr int kTileKeys = 16;
constexpr int kTileChannels = 32;
constexpr int kBatch = 4;  // groups

// All eight tiles are 16 rows of 64 bytes. The configuration belongs to the thread until its task ends.
thread_local bool g_configured = false;

void configure() {
  if (g_configured) return;
  TileConfig config;
  for (int tile = 0; tile < 8; ++tile) config.set(tile, 16);
  load_tile_config(config);
  g_configured = true;
}

void finish() {
  if (!g_configured) return;
  _tile_release();
  g_configured = false;
}

// A product goes in two steps, because a store right behind it waits for it: multiply into tiles 0 to 3, and store them
// when other work has been done.

// Queries [16, channels] bf16 x keys [channels / 2][64][2] bf16 -> tiles
AZ_WIDE void multiply_keys(const uint16_t* queries, const uint16_t* keys, int channels, Fetch& fetch) {
  constexpr int64_t kKeyStride = kRowKeys * 4;
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (int c = 0; c < channels; c += kTileChannels) {
    const uint16_t* k = keys + static_cast<int64_t>(c) * kRowKeys;
    _tile_loadd(4, queries + c, 2 * channels);
    _tile_loadd(5, k, kKeyStride);
    _tile_dpbf16ps(0, 4, 5);
    _tile_loadd(6, k + 2 * kTileKeys, kKeyStride);
    _tile_dpbf16ps(1, 4, 6);
    fetch.some();
    _tile_loadd(7, k + 4 * kTileKeys, kKeyStride);
    _tile_dpbf16ps(2, 4, 7);
    _tile_loadd(5, k + 6 * kTileKeys, kKeyStride);
    _tile_dpbf16ps(3, 4, 5);
    fetch.some();
  }
}

// Tiles -> up to four tiles of c, which has rows of `bytes` bytes.
AZ_WIDE void store_tiles(float* c, int64_t bytes, int tiles) {
  _tile_stored(0, c, bytes);
  if (tiles > 1) _tile_stored(1, c + kTileKeys, bytes);
  if (tiles > 2) _tile_stored(2, c + 2 * kTileKeys, bytes);
  if (tiles > 3) _tile_stored(3, c + 3 * kTileKeys, bytes);
}

// sums [16, up to 64 of channels] + weights [16, 64] bf16 x values [32][channels][2] bf16 -> tiles
AZ_WIDE void multiply_values(const uint16_t* weights, const uint16_t* values, int channels, const float* sums,
                             int64_t bytes, int tiles, Fetch& fetch) {
  const int64_t stride = 4 * static_cast<int64_t>(channels);
  const uint16_t* later = values + static_cast<int64_t>(channels) * (kRowKeys / 2);
  _tile_loadd(4, weights, 2 * kRowKeys);
  _tile_loadd(5, weights + kRowKeys / 2, 2 * kRowKeys);
#define AZ_FIRST(i)                                     \
  if (tiles > i) {                                      \
    _tile_loadd(i, sums + i * kTileKeys, bytes);        \
    _tile_loadd(6, values + 2 * i * kTileKeys, stride); \
    _tile_dpbf16ps(i, 4, 6);                            \
  }
#define AZ_SECOND(i)                                   \
  if (tiles > i) {                                     \
    _tile_loadd(7, later + 2 * i * kTileKeys, stride); \
    _tile_dpbf16ps(i, 5, 7);                           \
  }
  AZ_FIRST(0)
  AZ_FIRST(1)
  fetch.some();
  AZ_FIRST(2)
  AZ_FIRST(3)
  fetch.some();
  AZ_SECOND(0)
  AZ_SECOND(1)
  fetch.some();
  AZ_SECOND(2)
  AZ_SECOND(3)
  fetch.some();
#undef AZ_FIRST
#undef AZ_SECOND
}

struct Group {
  alignas(64) float scores[kRowGroup * kRowKeys];
  alignas(64) uint16_t weights[kRowGroup * kRowKeys];
  alignas(64) float corrections[kRowGroup];
};

template <Stored kStored>
void add_block(const AttentionTile& t) {
  configure();
  constexpr bool kScaled = kStored == Stored::q8;
  Group* const groups = static_cast<Group*>(t.scratch);
  static_assert(kBatch * sizeof(Group) <= kAttentionScratch);
  const uint16_t* keys = static_cast<const uint16_t*>(t.keys);
  const uint16_t* values = static_cast<const uint16_t*>(t.values);
  const int count = (t.rows + kRowGroup - 1) / kRowGroup;
  Fetch fetch(
      t, kScaled ? widen_shares(t) : count * (2 * t.key_channels / kTileChannels + 4 * ((t.value_channels + 63) / 64)));
  if constexpr (kScaled) {
    const Widened widened = widen_block(t, fetch);
    keys = widened.keys;
    values = widened.values;
  }
  const int64_t sum_bytes = 4 * t.sum_stride;
  const auto multiply_scores = [&](int g) __attribute__((always_inline)) {
    multiply_keys(static_cast<const uint16_t*>(t.queries) + static_cast<int64_t>(g) * kRowGroup * t.key_channels, keys,
                  t.key_channels, fetch);
  };
  const auto store_scores = [&](int g) __attribute__((always_inline)) {
    store_tiles(groups[g % 2].scores, 4 * kRowKeys, 4);
  };
  // Of sums: all tiles but the last four are stored at once.
  const int last = (t.value_channels - 1) / (4 * kTileKeys) * 4 * kTileKeys;
  const auto tiles_at = [&](int c) { return (t.value_channels - c) / kTileKeys; };
  const auto multiply_sums = [&](int g) __attribute__((always_inline)) {
    float* sums = t.sums + g * kRowGroup * t.sum_stride;
    for (int c = 0; c <= last; c += 4 * kTileKeys) {
      multiply_values(groups[g % 2].weights, values + 2 * c, t.value_channels, sums + c, sum_bytes, tiles_at(c), fetch);
      if (c < last) store_tiles(sums + c, sum_bytes, 4);
    }
  };
  const auto store_sums = [&](int g) __attribute__((always_inline)) {
    store_tiles(t.sums + g * kRowGroup * t.sum_stride + last, sum_bytes, tiles_at(last));
  };
  multiply_scores(0);
  store_scores(0);
  for (int g = 0; g < count; ++g) {
    Group& group = groups[g % 2];
    const int first = g * kRowGroup, rows = t.rows - first < kRowGroup ? t.rows - first : kRowGroup;
    for (int r = rows; r < kRowGroup; ++r)  // rows that do not exist must not bring NaN
      for (int k = 0; k < kRowKeys; k += 32)
        _mm512_store_si512(group.weights + r * kRowKeys + k, _mm512_setzero_si512());
    const __mmask16 changed = soften_rows<kScaled>(
        t, first, rows, group.scores, group.weights, group.corrections, [&](int share) __attribute__((always_inline)) {
          if (share == 0 && g > 0) multiply_sums(g - 1);
          if (share == 1 && g > 0) store_sums(g - 1);
          if (share == 2 && g + 1 < count) multiply_scores(g + 1);
          if (share == 3 && g + 1 < count) store_scores(g + 1);
        });
    if (changed) correct_sums(t, first, changed, group.corrections);
  }
  multiply_sums(count - 1);
  store_sums(count - 1);
}

// [rows, channels] bf16, whole groups
void pack_queries(const float* rows, int count, int head_dim, void* out) {
  const int channels = (head_dim + 31) / 32 * 32;
  uint16_t* to = static_cast<uint16_t*>(out);
  for (int r = 0; r < (count + kRowGroup - 1) / kRowGroup * kRowGroup; ++r, to += channels)
    round_to_bf16(rows + static_cast<int64_t>(r) * head_dim, r < count ? head_dim : 0, channels, to);
}

}  // namespace

const AttentionKernels kAmxAttentionBf16 = {"amx", true, pack_queries, add_block<Stored::bf16>, finish};
const AttentionKernels kAmxAttentionQ8 = {"amx", true, pack_queries, add_block<Stored::q8>, finish};

}  // namespace azimuth::kernels
