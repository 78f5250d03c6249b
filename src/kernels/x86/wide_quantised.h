// Products with quantised weights for processors without VNNI, for any Vec.
//
// q8: bytes are widened to 16 bits and multiplied in pairs (PMADDWD), which cannot overflow. Of a quad, the even and
// the odd inputs make a pair, since those are what a shift of 16-bit lanes leaves. Rows of 7 bits need no widening. q4:
// quants of 4 bits, without their offset, times bytes in pairs (PMADDUBSW): a run of 16 inputs sums to less than 2^15
// in each half of a lane. The offset's share, -8 times the sum of the run's activations, is where the sum starts. The
// multiplier of the run comes in where the halves are added in 32 bits.
#pragma once

#include "kernels/quantised.h"
#include "kernels/x86/wide_products.h"
#include "kernels/x86/wide_quantise_rows.h"

namespace azimuth::kernels {
namespace {

// A tile covers two vectors of outputs at a time: the panel, or one half of it after the other.
constexpr int kVectorOutputs = IVec::kBytes / 4;
constexpr int kPasses = kQuantPanel / (2 * kVectorOutputs);
constexpr int kPassBytes = 2 * IVec::kBytes;  // of one quad

// left += a0 b0 + a1 b1 of each lane, right the same with c: of words in 32 bits, of bytes in 16. As instructions, so
// that a sum stays in its register: of intrinsics g++ 12 adds the products of several steps to each other first, or
// moves sums about and spills them.
AZ_WIDE void add_pairs16(IVec::I& left, IVec::I& right, IVec::I a, IVec::I b, IVec::I c) {
  IVec::I x, y;
  __asm__("vpmaddwd %5, %4, %2\n\tvpmaddwd %6, %4, %3\n\tvpaddd %2, %0, %0\n\tvpaddd %3, %1, %1"
          : "+v"(left), "+v"(right), "=&v"(x), "=v"(y)
          : "v"(a), "v"(b), "v"(c));
}
AZ_WIDE void add_pairs8(IVec::I& left, IVec::I& right, IVec::I a, IVec::I unsigned_b, IVec::I unsigned_c) {
  IVec::I x, y;
  __asm__("vpmaddubsw %4, %5, %2\n\tvpmaddubsw %4, %6, %3\n\tvpaddw %2, %0, %0\n\tvpaddw %3, %1, %1"
          : "+v"(left), "+v"(right), "=&v"(x), "=v"(y)
          : "v"(a), "v"(unsigned_b), "v"(unsigned_c));
}

// Records are asked for ahead where a tile has too few rows to hide the way from memory.
AZ_WIDE void fetch_quad(const Streams& streams, const uint8_t* p) {
  _mm_prefetch(reinterpret_cast<const char*>(p + streams.ahead), _MM_HINT_T0);
  _mm_prefetch(reinterpret_cast<const char*>(p + streams.ahead + 64), _MM_HINT_T0);
}

// What follows the quants of a record. Of several streams it comes by itself; asking for it too takes time.
AZ_WIDE void fetch_scales(const Streams& streams, const uint8_t* p, int64_t bytes) {
  if (streams.count > 1) return;
  for (int64_t i = 0; i < bytes; i += 64)
    _mm_prefetch(reinterpret_cast<const char*>(p + streams.ahead + i), _MM_HINT_T0);
}

#define AZ_EACH_ROW(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)

// c += sums * scales, for the sums of row i; scale0 and scale1 are those of the weights.
#define AZ_SCALE_ROW(i)                                                                                       \
  if constexpr (kRows > i) {                                                                                  \
    float* out = c + i * kQuantPanel;                                                                         \
    const Vec::F scale = Vec::all(row_scales[i]);                                                             \
    Vec::store(out, Vec::fma(IVec::to_float(left##i), Vec::mul(scale0, scale), Vec::load(out)));              \
    Vec::store(out + kVectorOutputs,                                                                          \
               Vec::fma(IVec::to_float(right##i), Vec::mul(scale1, scale), Vec::load(out + kVectorOutputs))); \
  }

// Quads of one row -> every `rows`th place from `to` on.
AZ_WIDE void store_quads(const int8_t* quants, int rows, int32_t* to) {
  for (int quad = 0; quad < kQuantQuads; ++quad) __builtin_memcpy(to + quad * rows, quants + 4 * quad, sizeof(int32_t));
}

// scales: bf16
AZ_WIDE Vec::F load_scales(const void* p) {
  return IVec::of_bits(IVec::up32<16>(IVec::widen16(p)));
}

template <int kRows>
AZ_WIDE void start_rows(float* c, bool accumulate) {
  if (accumulate) return;
  for (int i = 0; i < kRows * kQuantPanel; i += Vec::kWidth) Vec::store(c + i, Vec::zero());
}

// ---------------------------------------------------------------------------------------------------------------------
// q8. Packed rows, per block: [16 quads][even, odd inputs][rows] pairs of 16 bits, then scales [rows].

constexpr int64_t kQ8RowBytes = 2 * kQuantBlock + 4;

// Of the quads in memory, the even and the odd inputs as 16 bits.
AZ_WIDE IVec::I even_words(const uint8_t* quads) {
  return IVec::down16_signed<8>(IVec::up16<8>(IVec::load(quads)));
}
AZ_WIDE IVec::I odd_words(const uint8_t* quads) {
  return IVec::down16_signed<8>(IVec::load(quads));
}

void pack_rows_q8(const float* x, int64_t ldx, int rows, int64_t inputs, float largest, void* out) {
  quantise_rows(
      x, ldx, rows, inputs,
      largest, [&](int row, int64_t block, const int8_t* quants, float scale) __attribute__((always_inline)) {
        alignas(64) uint32_t even[kQuantQuads], odd[kQuantQuads];
        const auto* bytes = reinterpret_cast<const uint8_t*>(quants);
        for (int at = 0; at < kQuantBlock; at += IVec::kBytes) {
          IVec::store(even + at / 4, even_words(bytes + at));
          IVec::store(odd + at / 4, odd_words(bytes + at));
        }
        auto* pairs = reinterpret_cast<uint32_t*>(static_cast<uint8_t*>(out) + block * rows * kQ8RowBytes);
        for (int quad = 0; quad < kQuantQuads; ++quad) {
          pairs[2 * quad * rows + row] = even[quad];
          pairs[(2 * quad + 1) * rows + row] = odd[quad];
        }
        reinterpret_cast<float*>(pairs + 2 * kQuantQuads * rows)[row] = scale;
      });
}

// Records as `widen_q8` leaves them, for tiles of many rows: quants of 16 bits in pairs, [quad][even, odd
// inputs][output], scales as they are.
constexpr int64_t kWideQ8RecordBytes = 2 * kQ8QuantBytes + kScaleBytes;

void widen_q8(const void* records, int64_t blocks, void* out) {
  const auto* in = static_cast<const uint8_t*>(records);
  auto* wide = static_cast<uint8_t*>(out);
  for (int64_t block = 0; block < blocks; ++block, in += kQ8RecordBytes, wide += kWideQ8RecordBytes) {
    for (int quad = 0; quad < kQuantQuads; ++quad) {
      for (int at = 0; at < kQuadBytes; at += IVec::kBytes) {
        IVec::store(wide + 2 * quad * kQuadBytes + at, even_words(in + quad * kQuadBytes + at));
        IVec::store(wide + (2 * quad + 1) * kQuadBytes + at, odd_words(in + quad * kQuadBytes + at));
      }
    }
    __builtin_memcpy(wide + 2 * kQ8QuantBytes, in + kQ8QuantBytes, kScaleBytes);
  }
}

template <int kRows, bool kWide>
void tile_q8_rows(const uint8_t* a, const uint8_t* records, int64_t blocks, float* c, bool accumulate) {
  constexpr int64_t kRecordBytes = kWide ? kWideQ8RecordBytes : kQ8RecordBytes;
  constexpr int64_t kScalesAt = kRecordBytes - kScaleBytes;
  start_rows<kRows>(c, accumulate);
  for (int64_t block = 0; block < blocks; ++block, a += kRows * kQ8RowBytes, records += kRecordBytes) {
    if (!kWide && kRows < 3) fetch_scales(IVec::kQ8Streams, records + kScalesAt, kScaleBytes);
    const auto* row_scales = reinterpret_cast<const float*>(a + kRows * 2 * kQuantBlock);
    for (int pass = 0; pass < kPasses; ++pass, c += 2 * kVectorOutputs) {
      const uint8_t* weights = records + pass * kPassBytes;
      const uint8_t* scales = records + kScalesAt + pass * 4 * kVectorOutputs;
      const auto* x = reinterpret_cast<const int32_t*>(a);
#define AZ_DECLARE(i) [[maybe_unused]] IVec::I left##i = IVec::zero(), right##i = IVec::zero();
#define AZ_STEP(i)                                \
  if constexpr (kRows > i) {                      \
    const IVec::I pair = IVec::all32(x[i]);       \
    add_pairs16(left##i, right##i, pair, w0, w1); \
  }
      AZ_EACH_ROW(AZ_DECLARE)
      for (int quad = 0; quad < kQuantQuads; ++quad, weights += kQuadBytes) {
        if (!kWide && kRows < 3 && pass == 0) fetch_quad(IVec::kQ8Streams, weights);
        {
          const IVec::I w0 = kWide ? IVec::load(weights) : even_words(weights);
          const IVec::I w1 = kWide ? IVec::load(weights + IVec::kBytes) : even_words(weights + IVec::kBytes);
          AZ_EACH_ROW(AZ_STEP)
        }
        x += kRows;
        if constexpr (kWide) weights += kQuadBytes;
        {
          const IVec::I w0 = kWide ? IVec::load(weights) : odd_words(weights);
          const IVec::I w1 = kWide ? IVec::load(weights + IVec::kBytes) : odd_words(weights + IVec::kBytes);
          AZ_EACH_ROW(AZ_STEP)
        }
        x += kRows;
      }
      const Vec::F scale0 = load_scales(scales);
      const Vec::F scale1 = load_scales(scales + 2 * kVectorOutputs);
      AZ_EACH_ROW(AZ_SCALE_ROW)
#undef AZ_STEP
#undef AZ_DECLARE
    }
    c -= kQuantPanel;
  }
}

template <bool kWide>
AZ_WIDE void tile_q8_any(const void* rows_packed, const void* records, int64_t blocks, int rows, float* c,
                         bool accumulate) {
  const auto* a = static_cast<const uint8_t*>(rows_packed);
  const auto* w = static_cast<const uint8_t*>(records);
#define AZ_CALL(n) \
  if constexpr (n <= kTileRows) tile_q8_rows<n, kWide>(a, w, blocks, c, accumulate)
  AZ_FOR_ROWS(rows, AZ_CALL)
#undef AZ_CALL
}

void tile_q8(const void* rows_packed, const void* records, int64_t blocks, int rows, float* c, bool accumulate) {
  tile_q8_any<false>(rows_packed, records, blocks, rows, c, accumulate);
}

void tile_wide_q8(const void* rows_packed, const void* records, int64_t blocks, int rows, float* c, bool accumulate) {
  tile_q8_any<true>(rows_packed, records, blocks, rows, c, accumulate);
}

// ---------------------------------------------------------------------------------------------------------------------
// q8 times rows of 7 bits. Rows with 64 added are unsigned bytes up to 127, whose products with the weights' in pairs
// (PMADDUBSW) cannot overflow, and where groups of weights are within kMostOfGroup nor can their sums over four quads,
// in 16 bits. Packed rows, per block: [16 quads][rows] of four bytes, scales [rows].

constexpr int64_t kNarrowRowBytes = kQuantBlock + 4;
constexpr int kNarrowTileRows = kTileRows / 2;  // each row has sums in 16 and in 32 bits

void pack_narrow_rows(const float* x, int64_t ldx, int rows, int64_t inputs, float largest, void* out) {
  quantise_rows(
      x, ldx, rows, inputs,
      largest, [&](int row, int64_t block, int8_t* quants, float scale) __attribute__((always_inline)) {
        for (int at = 0; at < kQuantBlock; at += IVec::kBytes)
          IVec::store(quants + at, IVec::add8(IVec::load(quants + at), IVec::all8(kNarrowOffset)));
        auto* quads = reinterpret_cast<int32_t*>(static_cast<uint8_t*>(out) + block * rows * kNarrowRowBytes);
        store_quads(quants, rows, quads + row);
        reinterpret_cast<float*>(quads + kQuantQuads * rows)[row] = scale;
      });
}

// Records as `prepare_narrow` leaves them: quants and scales as they are, then [32] what takes the rows' offset away
// again, which is where sums start, then whether groups are within kMostOfGroup, as 32 bits, and nothing to a multiple
// of 64 bytes.
constexpr int64_t kStartsAt = kQ8RecordBytes;
constexpr int64_t kBoundedAt = kStartsAt + 4 * kQuantPanel;
constexpr int64_t kNarrowRecordBytes = kBoundedAt + 64;

// Sums of one vector of outputs over a block's quads: `quants` -> starts; returns the largest magnitude of the sums of
// a group's positive and negative quants, in lanes of 16 bits.
AZ_WIDE IVec::I sum_groups(const uint8_t* quants, uint8_t* starts) {
  const IVec::I ones = IVec::all8(1);
  IVec::I sums = IVec::zero(), widest = IVec::zero();
  for (int first = 0; first < kQuantQuads; first += kGroupQuads) {
    IVec::I all = IVec::zero(), positive = IVec::zero();
    for (int quad = first; quad < first + kGroupQuads; ++quad) {
      const IVec::I w = IVec::load(quants + quad * kQuadBytes);
      all = IVec::add16(all, IVec::pairs8(ones, w));
      positive = IVec::add16(positive, IVec::pairs8(ones, IVec::max8(w, IVec::zero())));
    }
    widest = IVec::max16(widest, IVec::max16(positive, IVec::subtract16(positive, all)));
    sums = IVec::add16(sums, all);
  }
  IVec::store(starts, IVec::pairs16(sums, IVec::all16(-kNarrowOffset)));
  return widest;
}

void prepare_narrow(const void* records, int64_t blocks, void* out) {
  const auto* in = static_cast<const uint8_t*>(records);
  auto* ready = static_cast<uint8_t*>(out);
  for (int64_t block = 0; block < blocks; ++block, in += kQ8RecordBytes, ready += kNarrowRecordBytes) {
    __builtin_memcpy(ready, in, kQ8RecordBytes);
    IVec::I widest = IVec::zero();
    for (int at = 0; at < kQuadBytes; at += IVec::kBytes)
      widest = IVec::max16(widest, sum_groups(in + at, ready + kStartsAt + at));
    // Of both halves of a lane, which are positive.
    widest = IVec::max16(widest, IVec::down32<16>(widest));
    const int32_t bounded = IVec::highest32(IVec::both(widest, IVec::all32(0xffff))) <= kMostOfGroup;
    __builtin_memcpy(ready + kBoundedAt, &bounded, sizeof bounded);
  }
}

// One in each 16 bits, in memory: registers are needed for sums.
alignas(64) constexpr int16_t kOnes[] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
                                         1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

// As instructions, for the reason given above, and with few registers at a time: left = a b, right = a c of unsigned
// bytes a and signed ones, in pairs of 16 bits; then the same added; then sums of 32 bits += pairs of 16.
AZ_WIDE void multiply_pairs8(IVec::I& left, IVec::I& right, IVec::I unsigned_a, IVec::I b, IVec::I c) {
  __asm__("vpmaddubsw %3, %2, %0\n\tvpmaddubsw %4, %2, %1"
          : "=&v"(left), "=v"(right)
          : "v"(unsigned_a), "v"(b), "v"(c));
}
AZ_WIDE void multiply_add_pairs8(IVec::I& left, IVec::I& right, IVec::I unsigned_a, IVec::I b, IVec::I c) {
  IVec::I x;
  __asm__("vpmaddubsw %4, %3, %2\n\tvpaddw %2, %0, %0\n\tvpmaddubsw %5, %3, %2\n\tvpaddw %2, %1, %1"
          : "+v"(left), "+v"(right), "=&v"(x)
          : "v"(unsigned_a), "v"(b), "v"(c));
}
AZ_WIDE void add_words(IVec::I& left, IVec::I& right, IVec::I words_left, IVec::I words_right) {
  __asm__("vpmaddwd %4, %2, %2\n\tvpmaddwd %4, %3, %3\n\tvpaddd %2, %0, %0\n\tvpaddd %3, %1, %1"
          : "+v"(left), "+v"(right), "+v"(words_left), "+v"(words_right)
          : "m"(*reinterpret_cast<const IVec::I*>(kOnes)));
}

template <int kRows, int kQuads>
AZ_WIDE void narrow_pass(const int32_t* x, const float* row_scales, const uint8_t* weights, const uint8_t* starts,
                         const uint8_t* scales, float* c) {
  const IVec::I start0 = IVec::load(starts), start1 = IVec::load(starts + IVec::kBytes);
#define AZ_DECLARE(i) [[maybe_unused]] IVec::I left##i = start0, right##i = start1;
#define AZ_DECLARE_GROUP(i) [[maybe_unused]] IVec::I group_left##i, group_right##i;
#define AZ_BEGIN_GROUP(i) \
  if constexpr (kRows > i) multiply_pairs8(group_left##i, group_right##i, IVec::all32(x[i]), w0, w1);
#define AZ_STEP(i) \
  if constexpr (kRows > i) multiply_add_pairs8(group_left##i, group_right##i, IVec::all32(x[i]), w0, w1);
#define AZ_ADD_GROUP(i) \
  if constexpr (kRows > i) add_words(left##i, right##i, group_left##i, group_right##i);
  AZ_EACH_ROW(AZ_DECLARE)
  for (int first = 0; first < kQuantQuads; first += kQuads) {
    AZ_EACH_ROW(AZ_DECLARE_GROUP) {
      const IVec::I w0 = IVec::load(weights);
      const IVec::I w1 = IVec::load(weights + IVec::kBytes);
      AZ_EACH_ROW(AZ_BEGIN_GROUP)
    }
    weights += kQuadBytes;
    x += kRows;
#pragma GCC unroll 3
    for (int quad = 1; quad < kQuads; ++quad, weights += kQuadBytes, x += kRows) {
      const IVec::I w0 = IVec::load(weights);
      const IVec::I w1 = IVec::load(weights + IVec::kBytes);
      AZ_EACH_ROW(AZ_STEP)
    }
    AZ_EACH_ROW(AZ_ADD_GROUP)
  }
  const Vec::F scale0 = load_scales(scales);
  const Vec::F scale1 = load_scales(scales + 2 * kVectorOutputs);
  AZ_EACH_ROW(AZ_SCALE_ROW)
#undef AZ_ADD_GROUP
#undef AZ_STEP
#undef AZ_BEGIN_GROUP
#undef AZ_DECLARE_GROUP
#undef AZ_DECLARE
}

template <int kRows>
void tile_narrow_rows(const uint8_t* a, const uint8_t* records, int64_t blocks, float* c, bool accumulate) {
  start_rows<kRows>(c, accumulate);
  for (int64_t block = 0; block < blocks; ++block, a += kRows * kNarrowRowBytes, records += kNarrowRecordBytes) {
    const auto* x = reinterpret_cast<const int32_t*>(a);
    const auto* row_scales = reinterpret_cast<const float*>(a + kRows * kQuantBlock);
    int32_t bounded;
    __builtin_memcpy(&bounded, records + kBoundedAt, sizeof bounded);
    for (int pass = 0; pass < kPasses; ++pass) {
      const uint8_t* weights = records + pass * kPassBytes;
      const uint8_t* starts = records + kStartsAt + pass * kPassBytes;
      const uint8_t* scales = records + kQ8QuantBytes + pass * 4 * kVectorOutputs;
      float* out = c + pass * 2 * kVectorOutputs;
      if (bounded != 0) {
        narrow_pass<kRows, kGroupQuads>(x, row_scales, weights, starts, scales, out);
      } else {
        narrow_pass<kRows, 1>(x, row_scales, weights, starts, scales, out);
      }
    }
  }
}

void tile_narrow_q8(const void* rows_packed, const void* records, int64_t blocks, int rows, float* c, bool accumulate) {
  const auto* a = static_cast<const uint8_t*>(rows_packed);
  const auto* w = static_cast<const uint8_t*>(records);
#define AZ_CALL(n) \
  if constexpr (n <= kNarrowTileRows) tile_narrow_rows<n>(a, w, blocks, c, accumulate)
  AZ_FOR_ROWS(rows, AZ_CALL)
#undef AZ_CALL
}

// ---------------------------------------------------------------------------------------------------------------------
// q4. Packed rows, per block: [16 quads][rows] of four bytes, [4 runs][rows] the offset's share in 32 bits, scales
// [rows].

constexpr int64_t kQ4RowBytes = kQuantBlock + 4 * kQuantRuns + 4;
constexpr int kQ4TileRows = kTileRows / 2;  // each row has sums in 16 and in 32 bits

void pack_rows_q4(const float* x, int64_t ldx, int rows, int64_t inputs, float largest, void* out) {
  quantise_rows(
      x, ldx, rows, inputs,
      largest, [&](int row, int64_t block, const int8_t* quants, float scale) __attribute__((always_inline)) {
        auto* quads = reinterpret_cast<int32_t*>(static_cast<uint8_t*>(out) + block * rows * kQ4RowBytes);
        int32_t* offsets = quads + kQuantQuads * rows;
        store_quads(quants, rows, quads + row);
        for (int run = 0; run < kQuantRuns; ++run) {
          int sum = 0;
          for (int i = 0; i < kQuantRun; ++i) sum += quants[run * kQuantRun + i];
          offsets[run * rows + row] = -kQ4Offset * sum & 0xffff;  // in the lower half of a lane
        }
        reinterpret_cast<float*>(offsets + kQuantRuns * rows)[row] = scale;
      });
}

// Records as `widen_q4` leaves them, for tiles of many rows: quants a byte each, [quad][output][4], scales as
// they are, multipliers [runs][32] twice in each lane of 32 bits.
constexpr int64_t kWideMultiplierBytes = 4 * kQuantRuns * kQuantPanel;
constexpr int64_t kWideQ4RecordBytes = kQ8QuantBytes + kScaleBytes + kWideMultiplierBytes;

// The multipliers of a run, from the stored ones of its pair of runs, in both halves of each lane.
AZ_WIDE IVec::I twice_in_lane(const uint8_t* multipliers, int run) {
  IVec::I m = IVec::widen8(multipliers);
  m = run % 2 == 0 ? IVec::both(m, IVec::all32(15)) : IVec::down32<4>(m);
  return IVec::either(m, IVec::up32<16>(m));
}

void widen_q4(const void* records, int64_t blocks, void* out) {
  const auto* in = static_cast<const uint8_t*>(records);
  auto* wide = static_cast<uint8_t*>(out);
  const IVec::I low = IVec::all8(15);
  for (int64_t block = 0; block < blocks; ++block, in += kQ4RecordBytes, wide += kWideQ4RecordBytes) {
    for (int pair = 0; pair < kQuantQuads / 2; ++pair) {
      for (int at = 0; at < kQuadBytes; at += IVec::kBytes) {
        const IVec::I both = IVec::load(in + pair * kQuadBytes + at);
        IVec::store(wide + 2 * pair * kQuadBytes + at, IVec::both(both, low));
        IVec::store(wide + (2 * pair + 1) * kQuadBytes + at, IVec::both(IVec::down16<4>(both), low));
      }
    }
    const uint8_t* scales = in + kQ4QuantBytes;
    __builtin_memcpy(wide + kQ8QuantBytes, scales, kScaleBytes);
    for (int run = 0; run < kQuantRuns; ++run) {
      for (int j = 0; j < kQuantPanel; j += kVectorOutputs) {
        IVec::store(wide + kQ8QuantBytes + kScaleBytes + 4 * (run * kQuantPanel + j),
                    twice_in_lane(scales + kScaleBytes + run / 2 * kQuantPanel + j, run));
      }
    }
  }
}

template <int kRows, bool kWide>
void tile_q4_rows(const uint8_t* a, const uint8_t* records, int64_t blocks, float* c, bool accumulate) {
  constexpr int64_t kRecordBytes = kWide ? kWideQ4RecordBytes : kQ4RecordBytes;
  constexpr int64_t kScalesAt = kWide ? kQ8QuantBytes : kQ4QuantBytes;
  const IVec::I low = IVec::all8(15);
  start_rows<kRows>(c, accumulate);
  for (int64_t block = 0; block < blocks; ++block, a += kRows * kQ4RowBytes, records += kRecordBytes) {
    if (!kWide && kRows < 3) fetch_scales(IVec::kQ4Streams, records + kScalesAt, kScaleBytes + kMultiplierBytes);
    const auto* offsets = reinterpret_cast<const int32_t*>(a + kRows * kQuantBlock);
    const auto* row_scales = reinterpret_cast<const float*>(offsets + kQuantRuns * kRows);
    for (int pass = 0; pass < kPasses; ++pass, c += 2 * kVectorOutputs) {
      const uint8_t* weights = records + pass * kPassBytes;
      const uint8_t* scales = records + kScalesAt + pass * 4 * kVectorOutputs;
      const auto* x = reinterpret_cast<const int32_t*>(a);
#define AZ_DECLARE(i) [[maybe_unused]] IVec::I left##i = IVec::zero(), right##i = IVec::zero();
#define AZ_DECLARE_RUN(i) [[maybe_unused]] IVec::I run_left##i = IVec::zero(), run_right##i = IVec::zero();
#define AZ_START(i) \
  if constexpr (kRows > i) run_left##i = run_right##i = IVec::all32(offsets[run * kRows + i]);
#define AZ_STEP(i)                                       \
  if constexpr (kRows > i) {                             \
    const IVec::I four = IVec::all32(x[i]);              \
    add_pairs8(run_left##i, run_right##i, four, w0, w1); \
  }
#define AZ_ADD_RUN(i)                                                  \
  if constexpr (kRows > i) {                                           \
    left##i = IVec::add32(left##i, IVec::pairs16(run_left##i, m0));    \
    right##i = IVec::add32(right##i, IVec::pairs16(run_right##i, m1)); \
  }
      AZ_EACH_ROW(AZ_DECLARE)
      for (int run = 0; run < kQuantRuns; ++run) {
        AZ_EACH_ROW(AZ_DECLARE_RUN)
        AZ_EACH_ROW(AZ_START)
        if constexpr (kWide) {
          for (int quad = 0; quad < kQuantRun / 4; ++quad, weights += kQuadBytes, x += kRows) {
            const IVec::I w0 = IVec::load(weights);
            const IVec::I w1 = IVec::load(weights + IVec::kBytes);
            AZ_EACH_ROW(AZ_STEP)
          }
        } else {
          for (int pair = 0; pair < kQuantRun / 8; ++pair, weights += kQuadBytes) {
            if (kRows < 3 && pass == 0) fetch_quad(IVec::kQ4Streams, weights);
            {
              const IVec::I w0 = IVec::both(IVec::load(weights), low);
              const IVec::I w1 = IVec::both(IVec::load(weights + IVec::kBytes), low);
              AZ_EACH_ROW(AZ_STEP)
            }
            x += kRows;
            {
              const IVec::I w0 = IVec::both(IVec::down16<4>(IVec::load(weights)), low);
              const IVec::I w1 = IVec::both(IVec::down16<4>(IVec::load(weights + IVec::kBytes)), low);
              AZ_EACH_ROW(AZ_STEP)
            }
            x += kRows;
          }
        }
        IVec::I m0, m1;
        if constexpr (kWide) {
          const uint8_t* m = records + kScalesAt + kScaleBytes + 4 * (run * kQuantPanel + pass * 2 * kVectorOutputs);
          m0 = IVec::load(m);
          m1 = IVec::load(m + IVec::kBytes);
        } else {
          const uint8_t* m = records + kScalesAt + kScaleBytes + run / 2 * kQuantPanel + pass * 2 * kVectorOutputs;
          m0 = twice_in_lane(m, run);
          m1 = twice_in_lane(m + kVectorOutputs, run);
        }
        AZ_EACH_ROW(AZ_ADD_RUN)
      }
      const Vec::F scale0 = load_scales(scales);
      const Vec::F scale1 = load_scales(scales + 2 * kVectorOutputs);
      AZ_EACH_ROW(AZ_SCALE_ROW)
#undef AZ_ADD_RUN
#undef AZ_STEP
#undef AZ_START
#undef AZ_DECLARE_RUN
#undef AZ_DECLARE
    }
    c -= kQuantPanel;
  }
}

#undef AZ_SCALE_ROW
#undef AZ_EACH_ROW

template <bool kWide>
AZ_WIDE void tile_q4_any(const void* rows_packed, const void* records, int64_t blocks, int rows, float* c,
                         bool accumulate) {
  const auto* a = static_cast<const uint8_t*>(rows_packed);
  const auto* w = static_cast<const uint8_t*>(records);
#define AZ_CALL(n) \
  if constexpr (n <= kQ4TileRows) tile_q4_rows<n, kWide>(a, w, blocks, c, accumulate)
  AZ_FOR_ROWS(rows, AZ_CALL)
#undef AZ_CALL
}

void tile_q4(const void* rows_packed, const void* records, int64_t blocks, int rows, float* c, bool accumulate) {
  tile_q4_any<false>(rows_packed, records, blocks, rows, c, accumulate);
}

void tile_wide_q4(const void* rows_packed, const void* records, int64_t blocks, int rows, float* c, bool accumulate) {
  tile_q4_any<true>(rows_packed, records, blocks, rows, c, accumulate);
}

// Widening a record pays from about three tiles on.
constexpr QuantisedRows kQ8Rows = {kTileRows, kQ8RowBytes, pack_rows_q8, tile_q8, nullptr, IVec::kQ8Streams.count};
constexpr ManyRows kManyQ8Rows = {{kTileRows, kQ8RowBytes, pack_rows_q8, tile_wide_q8}, widen_q8, kWideQ8RecordBytes};
constexpr ManyRows kNarrowQ8Rows = {
    {kNarrowTileRows, kNarrowRowBytes, pack_narrow_rows, tile_narrow_q8}, prepare_narrow, kNarrowRecordBytes};
constexpr QuantisedRows kQ4Rows = {kQ4TileRows, kQ4RowBytes, pack_rows_q4, tile_q4, nullptr, IVec::kQ4Streams.count};
constexpr ManyRows kManyQ4Rows = {{kQ4TileRows, kQ4RowBytes, pack_rows_q4, tile_wide_q4}, widen_q4, kWideQ4RecordBytes};

}  // namespace
}  // namespace azimuth::kernels
