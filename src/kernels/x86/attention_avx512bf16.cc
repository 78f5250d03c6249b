// Attention by products of pairs of bf16 (VDPBF16PS), twice the rate of f32. Keys and values lie in blocks in the pairs
// that it takes: channels of keys, tokens of values.
#include "kernels/x86/vector_avx512.h"
// The vector comes first: the following are written in terms of it.
#include "kernels/x86/wide_soft_rows.h"
#include "kernels/x86/x86.h"

namespace azimuth::kernels {
namespace {

constexpr int kTile = 8;  // rows
constexpr int kWidth = 16;

AZ_WIDE __m512bh load_pairs(const uint16_t* p) {
  return reinterpret_cast<__m512bh>(_mm512_loadu_si512(p));
}
AZ_WIDE __m512bh all_pairs(const uint16_t* pair) {
  return reinterpret_cast<__m512bh>(_mm512_set1_epi32(*reinterpret_cast<const int*>(pair)));
}

#define AZ_EACH_ROW(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)
#define AZ_DECLARE(i) [[maybe_unused]] __m512 left##i = _mm512_setzero_ps(), right##i = _mm512_setzero_ps();
#define AZ_LOAD(i)                                                        \
  if constexpr (kRows > i) {                                              \
    left##i = _mm512_loadu_ps(c + i * ldc);                               \
    if constexpr (kTwo) right##i = _mm512_loadu_ps(c + i * ldc + kWidth); \
  }
#define AZ_STEP(i)                                                    \
  if constexpr (kRows > i) {                                          \
    const __m512bh x = all_pairs(a + i * kRowStride);                 \
    left##i = _mm512_dpbf16_ps(left##i, x, b0);                       \
    if constexpr (kTwo) right##i = _mm512_dpbf16_ps(right##i, x, b1); \
  }
#define AZ_STORE(i)                                                       \
  if constexpr (kRows > i) {                                              \
    _mm512_storeu_ps(c + i * ldc, left##i);                               \
    if constexpr (kTwo) _mm512_storeu_ps(c + i * ldc + kWidth, right##i); \
  }

// a [pairs][kTile][2], b [pairs][64][2], of which two vectors -> c [kRows, 64]
template <int kRows>
void score_rows(const uint16_t* a, const uint16_t* b, int pairs, float* c) {
  constexpr bool kTwo = true;
  constexpr int kRowStride = 2;
  constexpr int64_t ldc = kRowKeys;
  AZ_EACH_ROW(AZ_DECLARE)
  for (int p = 0; p < pairs; ++p, a += 2 * kTile, b += 2 * kRowKeys) {
    const __m512bh b0 = load_pairs(b);
    const __m512bh b1 = load_pairs(b + 2 * kWidth);
    AZ_EACH_ROW(AZ_STEP)
  }
  AZ_EACH_ROW(AZ_STORE)
}

// c [kRows, columns] += a [kRows][64] x b [32][channels][2]
template <int kRows, bool kTwo>
void weigh_rows(const uint16_t* a, const uint16_t* b, int channels, float* c, int64_t ldc) {
  constexpr int kRowStride = kRowKeys;
  AZ_EACH_ROW(AZ_DECLARE)
  AZ_EACH_ROW(AZ_LOAD)
  for (int p = 0; p < kRowKeys / 2; ++p, a += 2, b += 2 * channels) {
    const __m512bh b0 = load_pairs(b);
    [[maybe_unused]] const __m512bh b1 = kTwo ? load_pairs(b + 2 * kWidth) : b0;
    AZ_EACH_ROW(AZ_STEP)
  }
  AZ_EACH_ROW(AZ_STORE)
}

#undef AZ_DECLARE
#undef AZ_LOAD
#undef AZ_STEP
#undef AZ_STORE
#undef AZ_EACH_ROW

#define AZ_FOR_ROWS(rows, CALL) \
  switch (rows) {               \
    case 1: CALL(1); break;     \
    case 2: CALL(2); break;     \
    case 3: CALL(3); break;     \
    case 4: CALL(4); break;     \
    case 5: CALL(5); break;     \
    case 6: CALL(6); break;     \
    case 7: CALL(7); break;     \
    default: CALL(8); break;    \
  }

void score_tile(const uint16_t* queries, const uint16_t* keys, int pairs, int rows, float* scores, Fetch& fetch) {
  for (int key = 0; key < kRowKeys; key += 2 * kWidth) {
    fetch.some();
#define AZ_CALL(n) score_rows<n>(queries, keys + 2 * key, pairs, scores + key)
    AZ_FOR_ROWS(rows, AZ_CALL)
#undef AZ_CALL
  }
}

void weigh_tile(const uint16_t* weights, const uint16_t* values, int channels, int rows, float* sums, int64_t stride,
                Fetch& fetch) {
  int c = 0;
  for (; c + 2 * kWidth <= channels; c += 2 * kWidth) {
    fetch.some();
#define AZ_CALL(n) weigh_rows<n, true>(weights, values + 2 * c, channels, sums + c, stride)
    AZ_FOR_ROWS(rows, AZ_CALL)
#undef AZ_CALL
  }
  if (c == channels) return;
#define AZ_CALL(n) weigh_rows<n, false>(weights, values + 2 * c, channels, sums + c, stride)
  AZ_FOR_ROWS(rows, AZ_CALL)
#undef AZ_CALL
}
#undef AZ_FOR_ROWS

struct Group {
  alignas(64) float scores[kRowGroup * kRowKeys];
  alignas(64) uint16_t weights[kRowGroup * kRowKeys];
  alignas(64) float corrections[kRowGroup];
};

template <Stored kStored>
void add_block(const AttentionTile& t) {
  constexpr bool kScaled = kStored == Stored::q8;
  Group& group = *static_cast<Group*>(t.scratch);
  static_assert(sizeof(Group) <= kAttentionScratch);
  const uint16_t* keys = static_cast<const uint16_t*>(t.keys);
  const uint16_t* values = static_cast<const uint16_t*>(t.values);
  const int pairs = (t.head_dim + 1) / 2;
  const int tiles = (t.rows + kTile - 1) / kTile;
  Fetch fetch(t, kScaled ? widen_shares(t)
                         : tiles * (kRowKeys / (2 * kWidth) + (t.value_channels + 2 * kWidth - 1) / (2 * kWidth)));
  if constexpr (kScaled) {
    const Widened widened = widen_block(t, fetch);
    keys = widened.keys;
    values = widened.values;
  }
  for (int first = 0; first < t.rows; first += kRowGroup) {
    const int rows = t.rows - first < kRowGroup ? t.rows - first : kRowGroup;
    const auto each_tile = [&](const auto& work) __attribute__((always_inline)) {
      for (int r = 0; r < rows; r += kTile) work(r, rows - r < kTile ? rows - r : kTile);
    };
    const uint16_t* queries = static_cast<const uint16_t*>(t.queries) + static_cast<int64_t>(first) * t.key_channels;
    each_tile([&](int r, int count) __attribute__((always_inline)) {
      score_tile(queries + static_cast<int64_t>(r) * t.key_channels, keys, pairs, count, group.scores + r * kRowKeys,
                 fetch);
    });
    const __mmask16 changed =
        soften_rows<kScaled>(t, first, rows, group.scores, group.weights, group.corrections, [](int) {});
    if (changed) correct_sums(t, first, changed, group.corrections);
    each_tile([&](int r, int count) __attribute__((always_inline)) {
      weigh_tile(group.weights + r * kRowKeys, values, t.value_channels, count, t.sums + (first + r) * t.sum_stride,
                 t.sum_stride, fetch);
    });
  }
}

// [tiles of 8 rows][channels / 2][8][2] bf16
void pack_queries(const float* rows, int count, int head_dim, void* out) {
  constexpr int kMostChannels = 1024;
  const int channels = (head_dim + 31) / 32 * 32;
  uint32_t* to = static_cast<uint32_t*>(out);
  for (int first = 0; first < count; first += kTile, to += kTile * channels / 2) {
    for (int r = 0; r < kTile; ++r) {
      const float* row = rows + static_cast<int64_t>(first + r) * head_dim;
      const int width = first + r < count ? head_dim : 0;
      for (int c = 0; c < channels; c += kMostChannels) {
        alignas(64) uint16_t rounded[kMostChannels];
        const int run = channels - c < kMostChannels ? channels - c : kMostChannels;
        round_to_bf16(row + c, width - c, run, rounded);
        for (int p = 0; p < run / 2; ++p)
          to[(c / 2 + p) * kTile + r] = rounded[2 * p] | static_cast<uint32_t>(rounded[2 * p + 1]) << 16;
      }
    }
  }
}

}  // namespace

const AttentionKernels kAvx512Bf16AttentionBf16 = {"avx512_bf16", true, pack_queries, add_block<Stored::bf16>, nullptr};
const AttentionKernels kAvx512Bf16AttentionQ8 = {"avx512_bf16", true, pack_queries, add_block<Stored::q8>, nullptr};

}  // namespace azimuth::kernels
