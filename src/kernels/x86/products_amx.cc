// Products with quantised weights by AMX tiles (TDPBSSD): 16 rows x 16 outputs x 64 inputs, one block, in one
// instruction. The sums of a block go through memory to the vector registers, where they are scaled and added; the
// tiles of the next block are on their way meanwhile.
#include "kernels/x86/vector_avx512.h"
// The vector comes first: the following are written in terms of it.
#include "kernels/x86/amx_tiles.h"
#include "kernels/x86/wide_quantise_rows.h"
#include "kernels/x86/x86.h"

namespace azimuth::kernels {
namespace {

constexpr int kTileSide = 16;
constexpr int kMostRows = 2 * kTileSide;
constexpr int64_t kLine = 64;

// Packed rows: quants [blocks][rows][64] from the next line on, then scales [blocks][rows]. The bytes that the line
// takes are part of each row's share, of which 12 rows of one block make more than a line.
constexpr int64_t kRowBytes = kQuantBlock + 4 + 8;

struct PackedRows {
  int8_t* quants;  // [blocks, rows, 64]
  float* scales;   // [blocks, rows]
  PackedRows(const void* packed, int64_t blocks, int rows) {
    const auto address = reinterpret_cast<uintptr_t>(packed);
    quants = reinterpret_cast<int8_t*>((address + kLine - 1) / kLine * kLine);
    scales = reinterpret_cast<float*>(quants + blocks * rows * kQuantBlock);
  }
};

void pack_rows(const float* x, int64_t ldx, int rows, int64_t inputs, float largest, void* out) {
  const PackedRows packed(out, (inputs + kQuantBlock - 1) / kQuantBlock, rows);
  quantise_rows(
      x, ldx, rows, inputs,
      largest, [&](int row, int64_t block, const int8_t* quants, float scale) __attribute__((always_inline)) {
        _mm512_store_si512(packed.quants + (block * rows + row) * kQuantBlock, _mm512_load_si512(quants));
        packed.scales[block * rows + row] = scale;
      });
}

// Work on a block comes in parts of up to 16 rows: with 16 rows or fewer each block is one part, else an upper and a
// lower one. Parts take turns on two sets of tiles: 0, 1 (sums of the left and right outputs) and 4 (rows); 2, 3 and 5.
// Tiles 6 and 7 hold the weights.
constexpr int kEvenTiles[] = {0, 1, 4}, kOddTiles[] = {2, 3, 5}, kWeightTiles[] = {6, 7};

// The configuration belongs to the thread and stays until another number of rows comes.
thread_local int g_configured_rows = 0;

void configure(int rows) {
  if (rows == g_configured_rows) return;
  const int upper = rows < kTileSide ? rows : kTileSide;
  TileConfig config;
  for (const int tile : kEvenTiles) config.set(tile, upper);
  for (const int tile : kOddTiles) config.set(tile, rows > kTileSide ? rows - upper : upper);
  for (const int tile : kWeightTiles) config.set(tile, kTileSide);
  load_tile_config(config);
  g_configured_rows = rows;
}

constexpr int64_t kSumBytes = 4 * kQuantPanel;

// Multiplies the rows of a part with the weights in tiles 6 and 7.
template <int kSet>
AZ_WIDE void multiply_part(const int8_t* quants) {
  if constexpr (kSet == 0) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_loadd(4, quants, kLine);
    _tile_dpbssd(0, 4, 6);
    _tile_dpbssd(1, 4, 7);
  } else {
    _tile_zero(2);
    _tile_zero(3);
    _tile_loadd(5, quants, kLine);
    _tile_dpbssd(2, 5, 6);
    _tile_dpbssd(3, 5, 7);
  }
}

// sums [16, 32]
template <int kSet>
AZ_WIDE void store_part(int32_t* sums) {
  if constexpr (kSet == 0) {
    _tile_stored(0, sums, kSumBytes);
    _tile_stored(1, sums + kTileSide, kSumBytes);
  } else {
    _tile_stored(2, sums, kSumBytes);
    _tile_stored(3, sums + kTileSide, kSumBytes);
  }
}

// c [rows, 32] += sums * scales
AZ_WIDE void add_sums(const int32_t* sums, const float* row_scales, const uint8_t* scales, int rows, float* c) {
  const auto weight_scales = [](const uint8_t* p) __attribute__((always_inline)) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(IVec::widen16(p), 16));
  };
  const __m512 scale0 = weight_scales(scales), scale1 = weight_scales(scales + kScaleBytes / 2);
  for (int r = 0; r < rows; ++r, sums += kQuantPanel, c += kQuantPanel) {
    const __m512 scale = _mm512_set1_ps(row_scales[r]);
    _mm512_storeu_ps(c, _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_load_si512(sums)), _mm512_mul_ps(scale0, scale),
                                        _mm512_loadu_ps(c)));
    _mm512_storeu_ps(c + kTileSide, _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_load_si512(sums + kTileSide)),
                                                    _mm512_mul_ps(scale1, scale), _mm512_loadu_ps(c + kTileSide)));
  }
}

// A tile of rows against the records of one panel. While the tiles multiply one part, the sums of the part before are
// on their way to memory, and those of the one before that are scaled: each step has been started early enough for none
// to wait for it.
class Pipeline {
 public:
  Pipeline(const PackedRows& packed, const uint8_t* records, int64_t blocks, int rows, float* c)
      : packed_(packed), records_(records), blocks_(blocks), rows_(rows), parts_(rows > kTileSide ? 2 : 1), c_(c) {}

  void run() {
    const int64_t steps = blocks_ * parts_;
    for (int64_t step = 0; step < steps + 2; step += 2) {
      advance<0>(step, steps);
      advance<1>(step + 1, steps);
    }
  }

 private:
  template <int kSet>
  __attribute__((always_inline)) inline void advance(int64_t step, int64_t steps) {
    if (step < steps) {
      const int64_t block = step / parts_, part = step % parts_;
      if (part == 0) {
        _tile_loadd(6, records_ + block * kQ8RecordBytes, kQuadBytes);
        _tile_loadd(7, records_ + block * kQ8RecordBytes + kLine, kQuadBytes);
      }
      multiply_part<kSet>(packed_.quants + (block * rows_ + part * kTileSide) * kQuantBlock);
    }
    if (step >= 1 && step - 1 < steps) store_part<1 - kSet>(sums_[1 - kSet]);
    if (step >= 2 && step - 2 < steps) scale(step - 2, sums_[kSet]);
  }

  void scale(int64_t step, const int32_t* sums) const {
    const int64_t block = step / parts_, part = step % parts_;
    const int64_t first = part * kTileSide;
    const int64_t rows = rows_ - first < kTileSide ? rows_ - first : kTileSide;
    add_sums(sums, packed_.scales + block * rows_ + first, records_ + block * kQ8RecordBytes + kQ8QuantBytes,
             static_cast<int>(rows), c_ + first * kQuantPanel);
  }

  const PackedRows packed_;
  const uint8_t* const records_;
  const int64_t blocks_;
  const int rows_;
  const int64_t parts_;
  float* const c_;                                        // [rows, 32]
  alignas(64) int32_t sums_[2][kTileSide * kQuantPanel];  // of one part each
};

void tile(const void* rows_packed, const void* records, int64_t blocks, int rows, float* c, bool accumulate) {
  configure(rows);
  if (!accumulate) {
    for (int i = 0; i < rows * kQuantPanel; i += kTileSide) _mm512_storeu_ps(c + i, _mm512_setzero_ps());
  }
  Pipeline(PackedRows(rows_packed, blocks, rows), static_cast<const uint8_t*>(records), blocks, rows, c).run();
}

// The processor can then put the tiles to sleep, and the system need not save them.
void finish() {
  if (g_configured_rows == 0) return;
  _tile_release();
  g_configured_rows = 0;
}

}  // namespace

const QuantisedRows kAmxRows = {kMostRows, kRowBytes, pack_rows, tile, finish};

}  // namespace azimuth::kernels
