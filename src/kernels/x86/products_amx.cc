// Products with quantised weights by AMX tiles (TDPBSSD): 16 rows x 16 outputs x 64 inputs, one block, in one
// instruction. The sums of a block go through memory to the vector registers, where they are scaled and added; the
// tiles of the next block are on their way meanwhile.
#include "kernels/x86/vector_avx512.h"
// The vector comes first: the following are written in terms of it.
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

void pack_rows(const float* x, int64_t ldx, int rows, int64_t inputs, void* out) {
  const PackedRows packed(out, (inputs + kQuantBlock - 1) / kQuantBlock, rows);
  quantise_rows(
      x, ldx, rows,
      inputs, [&](int row, int64_t block, const int8_t* quants, float scale) __attribute__((always_inline)) {
        _mm512_store_si512(packed.quants + (block * rows + row) * kQuantBlock, _mm512_load_si512(quants));
        packed.scales[block * rows + row] = scale;
      });
}

struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};

// Tiles 0 to 3: sums of upper and lower rows by left and right outputs; 4, 5: rows; 6, 7: weights.
constexpr int kUpperTiles[] = {0, 1, 4}, kLowerTiles[] = {2, 3, 5}, kWeightTiles[] = {6, 7};

// The configuration belongs to the thread and stays until another number of rows comes.
thread_local int g_configured_rows = 0;

void configure(int rows) {
  if (rows == g_configured_rows) return;
  const int upper = rows < kTileSide ? rows : kTileSide;
  const int lower = rows - upper;
  TileConfig config;
  const auto set = [&](int tile, int count) {
    config.rows[tile] = static_cast<uint8_t>(count);
    config.row_bytes[tile] = count > 0 ? kLine : 0;
  };
  for (const int tile : kUpperTiles) set(tile, upper);
  for (const int tile : kWeightTiles) set(tile, kTileSide);
  for (const int tile : kLowerTiles) set(tile, lower);
  _tile_loadconfig(&config);
  g_configured_rows = rows;
}

// The sums of one block: rows x record -> sums [rows, 32].
template <bool kLower>
AZ_WIDE void multiply_block(const int8_t* quants, const uint8_t* record, int32_t* sums) {
  constexpr int64_t kSumBytes = 4 * kQuantPanel;
  _tile_zero(0);
  _tile_zero(1);
  _tile_loadd(4, quants, kLine);
  _tile_loadd(6, record, kQuadBytes);
  _tile_loadd(7, record + kLine, kQuadBytes);
  _tile_dpbssd(0, 4, 6);
  _tile_dpbssd(1, 4, 7);
  if constexpr (kLower) {
    _tile_zero(2);
    _tile_zero(3);
    _tile_loadd(5, quants + kTileSide * kQuantBlock, kLine);
    _tile_dpbssd(2, 5, 6);
    _tile_dpbssd(3, 5, 7);
  }
  _tile_stored(0, sums, kSumBytes);
  _tile_stored(1, sums + kTileSide, kSumBytes);
  if constexpr (kLower) {
    _tile_stored(2, sums + kTileSide * kQuantPanel, kSumBytes);
    _tile_stored(3, sums + kTileSide * kQuantPanel + kTileSide, kSumBytes);
  }
}

// c [rows, 32] += sums * scales
AZ_WIDE void add_sums(const int32_t* sums, const float* row_scales, const uint8_t* scales, int rows, float* c,
                      bool first) {
  const auto weight_scales = [](const uint8_t* p) __attribute__((always_inline)) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(IVec::widen16(p), 16));
  };
  const __m512 scale0 = weight_scales(scales), scale1 = weight_scales(scales + kScaleBytes / 2);
  for (int r = 0; r < rows; ++r, sums += kQuantPanel, c += kQuantPanel) {
    const __m512 scale = _mm512_set1_ps(row_scales[r]);
    const __m512 c0 = first ? _mm512_setzero_ps() : _mm512_loadu_ps(c);
    const __m512 c1 = first ? _mm512_setzero_ps() : _mm512_loadu_ps(c + kTileSide);
    _mm512_storeu_ps(c, _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_load_si512(sums)), _mm512_mul_ps(scale0, scale), c0));
    _mm512_storeu_ps(c + kTileSide, _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_load_si512(sums + kTileSide)),
                                                    _mm512_mul_ps(scale1, scale), c1));
  }
}

template <bool kLower>
void multiply(const PackedRows& packed, const uint8_t* records, int64_t blocks, int rows, float* c, bool accumulate) {
  alignas(64) int32_t sums[2][kMostRows * kQuantPanel];
  multiply_block<kLower>(packed.quants, records, sums[0]);
  for (int64_t block = 0; block < blocks; ++block) {
    const uint8_t* record = records + block * kQ8RecordBytes;
    if (block + 1 < blocks) {
      multiply_block<kLower>(packed.quants + (block + 1) * rows * kQuantBlock, record + kQ8RecordBytes,
                             sums[(block + 1) % 2]);
    }
    add_sums(sums[block % 2], packed.scales + block * rows, record + kQ8QuantBytes, rows, c, block == 0 && !accumulate);
  }
}

void tile(const void* rows_packed, const void* records, int64_t blocks, int rows, float* c, bool accumulate) {
  configure(rows);
  const PackedRows packed(rows_packed, blocks, rows);
  const auto* w = static_cast<const uint8_t*>(records);
  if (rows > kTileSide) {
    multiply<true>(packed, w, blocks, rows, c, accumulate);
  } else {
    multiply<false>(packed, w, blocks, rows, c, accumulate);
  }
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
