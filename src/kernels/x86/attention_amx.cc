// Attention by AMX tiles (TDPBF16PS): 16 rows x 16 keys x 32 channels in one instruction, and 16 rows x 16 channels x
// 32 keys. Keys and values lie in blocks as the right-hand tiles want them. Sixteen rows are a group; the scores of the
// next group are on their way while the vector registers turn those of one into weights.
#include "kernels/x86/vector_avx512.h"
// The vector comes first: the following are written in terms of it.
#include "kernels/x86/wide_soft_rows.h"
#include "kernels/x86/x86.h"

namespace azimuth::kernels {
namespace {

constexpr int64_t kLine = 64;
constexpr int kTileKeys = 16;
constexpr int kTileChannels = 32;

struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};

// All eight tiles are 16 rows of 64 bytes. The configuration belongs to the thread until its task ends.
thread_local bool g_configured = false;

void configure() {
  if (g_configured) return;
  TileConfig config;
  for (int tile = 0; tile < 8; ++tile) {
    config.rows[tile] = 16;
    config.row_bytes[tile] = kLine;
  }
  _tile_loadconfig(&config);
  g_configured = true;
}

void finish() {
  if (!g_configured) return;
  _tile_release();
  g_configured = false;
}

// Queries [16, channels] bf16 x keys [channels / 2][64][2] bf16 -> scores [16, 64]
AZ_WIDE void score_group(const uint16_t* queries, const uint16_t* keys, int channels, float* scores, Fetch& fetch,
                         int lines) {
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
    fetch.lines(lines);
    _tile_loadd(5, k + 4 * kTileKeys, kKeyStride);
    _tile_dpbf16ps(2, 4, 5);
    _tile_loadd(6, k + 6 * kTileKeys, kKeyStride);
    _tile_dpbf16ps(3, 4, 6);
    fetch.lines(lines);
  }
  _tile_stored(0, scores, kRowKeys * 4);
  _tile_stored(1, scores + kTileKeys, kRowKeys * 4);
  _tile_stored(2, scores + 2 * kTileKeys, kRowKeys * 4);
  _tile_stored(3, scores + 3 * kTileKeys, kRowKeys * 4);
}

// sums [16, channels] += weights [16, 64] bf16 x values [32][channels][2] bf16
AZ_WIDE void weigh_group(const uint16_t* weights, const uint16_t* values, int channels, float* sums, int64_t stride,
                         Fetch& fetch, int lines) {
  const int64_t value_stride = 4 * static_cast<int64_t>(channels), sum_bytes = 4 * stride;
  const uint16_t* later = values + static_cast<int64_t>(channels) * (kRowKeys / 2);
  _tile_loadd(4, weights, 2 * kRowKeys);
  _tile_loadd(5, weights + kRowKeys / 2, 2 * kRowKeys);
  int c = 0;
  for (; c + 2 * kTileKeys <= channels; c += 2 * kTileKeys) {
    _tile_loadd(0, sums + c, sum_bytes);
    _tile_loadd(6, values + 2 * c, value_stride);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(1, sums + c + kTileKeys, sum_bytes);
    _tile_loadd(7, values + 2 * (c + kTileKeys), value_stride);
    _tile_dpbf16ps(1, 4, 7);
    fetch.lines(lines);
    _tile_loadd(6, later + 2 * c, value_stride);
    _tile_dpbf16ps(0, 5, 6);
    _tile_loadd(7, later + 2 * (c + kTileKeys), value_stride);
    _tile_dpbf16ps(1, 5, 7);
    _tile_stored(0, sums + c, sum_bytes);
    _tile_stored(1, sums + c + kTileKeys, sum_bytes);
    fetch.lines(lines);
  }
  if (c == channels) return;
  _tile_loadd(0, sums + c, sum_bytes);
  _tile_loadd(6, values + 2 * c, value_stride);
  _tile_dpbf16ps(0, 4, 6);
  _tile_loadd(7, later + 2 * c, value_stride);
  _tile_dpbf16ps(0, 5, 7);
  _tile_stored(0, sums + c, sum_bytes);
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
  static_assert(2 * sizeof(Group) <= kAttentionScratch);
  const uint16_t* keys = static_cast<const uint16_t*>(t.keys);
  const uint16_t* values = static_cast<const uint16_t*>(t.values);
  if constexpr (kScaled) {
    uint16_t* room = reinterpret_cast<uint16_t*>(static_cast<uint8_t*>(t.scratch) + kAttentionScratch);
    const int64_t key_count = static_cast<int64_t>(t.key_channels) * kRowKeys;
    const int64_t value_count = static_cast<int64_t>(t.value_channels) * kRowKeys;
    widen_quants(t.keys, key_count, room);
    widen_quants(t.values, value_count, room + key_count);
    keys = room;
    values = room + key_count;
  }
  const int count = (t.rows + kRowGroup - 1) / kRowGroup;
  Fetch next_keys(t.next, t.next_bytes), next_values(t.next_values, t.next_value_bytes);
  const int key_lines = lines_of_share(t.next_bytes, count * 2 * t.key_channels / kTileChannels);
  const int value_lines = lines_of_share(t.next_value_bytes, count * t.value_channels / kTileKeys);
  const auto score = [&](int g) {
    score_group(static_cast<const uint16_t*>(t.queries) + static_cast<int64_t>(g) * kRowGroup * t.key_channels, keys,
                t.key_channels, groups[g % 2].scores, next_keys, key_lines);
  };
  // Rows that do not exist have weights too: those of the last group that did, or of a block before; all finite.
  score(0);
  for (int g = 0; g < count; ++g) {
    if (g + 1 < count) score(g + 1);
    Group& group = groups[g % 2];
    const int first = g * kRowGroup, rows = t.rows - first < kRowGroup ? t.rows - first : kRowGroup;
    for (int r = rows; r < kRowGroup; ++r)
      for (int k = 0; k < kRowKeys; k += 32)
        _mm512_store_si512(group.weights + r * kRowKeys + k, _mm512_setzero_si512());
    const __mmask16 changed = soften_rows<kScaled>(t, first, rows, group.scores, group.weights, group.corrections);
    if (changed) correct_sums(t, first, changed, group.corrections);
    weigh_group(group.weights, values, t.value_channels, t.sums + first * t.sum_stride, t.sum_stride, next_values,
                value_lines);
  }
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
