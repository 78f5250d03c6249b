// Products of tiles of bf16 (TDPBF16PS): 16 rows x 16 outputs x 32 inputs in one instruction, which sums its even and
// its odd inputs in two chains, adds these, and then adds them to the output. A single row takes the same way, so that
// its order of sums is that of any other. Subnormal operands and results count as zero.
#include "kernels/x86/amx_tiles.h"
#include "kernels/x86/bf16_rows.h"
#include "kernels/x86/x86.h"

namespace azimuth::kernels {
namespace {

constexpr int kSide = 16;
constexpr int kTileRows = 2 * kSide;
constexpr int kPanelWidth = 32;
constexpr int64_t kStep = 32;                    // inputs of one instruction
constexpr int64_t kLine = 64;                    // bytes of a row of a tile
constexpr int64_t kPairBytes = 4 * kPanelWidth;  // of two inputs of a panel
constexpr int64_t kStepBytes = kStep / 2 * kPairBytes;
constexpr int64_t kInputBlock = 1536;
constexpr int64_t kFetchAhead = 2 * kStepBytes;

// Of a tile of rows: 0, 1 hold the sums of the upper 16 rows, 2, 3 those of the lower ones, 4 and 5 their inputs, 6 and
// 7 the weights. Of a single row, whose weights come from two panels at once: 0, 1 and 2, 3 hold its sums for each
// panel, 4 its inputs.
constexpr int kUpperTiles[] = {0, 1, 4}, kLowerTiles[] = {2, 3, 5}, kWeightTiles[] = {6, 7};

// What the tiles of this thread are configured for; 0: nothing.
thread_local int g_configured_rows = 0;

void configure(int rows) {
  if (rows == g_configured_rows) return;
  const int upper = rows < kSide ? rows : kSide;
  const int lower = rows == 1 ? 1 : rows - upper;
  TileConfig config;
  for (const int tile : kUpperTiles) config.set(tile, upper);
  for (const int tile : kLowerTiles) config.set(tile, lower);
  for (const int tile : kWeightTiles) config.set(tile, kSide);
  load_tile_config(config);
  g_configured_rows = rows;
}

// x [rows, count] -> bf16 [rows, count rounded up to 32], zeros behind count.
void pack_rows(const float* x, int64_t ldx, int rows, int64_t count, void* out) {
  const int64_t padded = (count + kStep - 1) / kStep * kStep;
  for (int r = 0; r < rows; ++r) {
    uint32_t* row = static_cast<uint32_t*>(out) + r * padded / 2;
    for (int64_t pair = count / 2; pair < padded / 2; ++pair) row[pair] = 0;
    round_row(x + r * ldx, count, row);
  }
}

template <bool kLower>
void multiply(const uint8_t* a, const uint8_t* panel, int64_t steps, float* c, int64_t ldc, bool accumulate,
              const char* next, int64_t next_step) {
  const int64_t row_bytes = steps * kStep * 2;
  const int64_t c_bytes = ldc * 4;
  float* const lower = c + kSide * ldc;
  if (accumulate) {
    _tile_loadd(0, c, c_bytes);
    _tile_loadd(1, c + kSide, c_bytes);
    if constexpr (kLower) {
      _tile_loadd(2, lower, c_bytes);
      _tile_loadd(3, lower + kSide, c_bytes);
    }
  } else {
    _tile_zero(0);
    _tile_zero(1);
    if constexpr (kLower) {
      _tile_zero(2);
      _tile_zero(3);
    }
  }
  for (int64_t step = 0; step < steps; ++step, a += kLine, panel += kStepBytes) {
    for (int64_t i = 0; i < kStep * next_step; i += kLine, next += kLine) _mm_prefetch(next, _MM_HINT_T0);
    _tile_loadd(4, a, row_bytes);
    _tile_loadd(6, panel, kPairBytes);
    _tile_loadd(7, panel + kLine, kPairBytes);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    if constexpr (kLower) {
      _tile_loadd(5, a + kSide * row_bytes, row_bytes);
      _tile_dpbf16ps(2, 5, 6);
      _tile_dpbf16ps(3, 5, 7);
    }
  }
  _tile_stored(0, c, c_bytes);
  _tile_stored(1, c + kSide, c_bytes);
  if constexpr (kLower) {
    _tile_stored(2, lower, c_bytes);
    _tile_stored(3, lower + kSide, c_bytes);
  }
}

void add_bias(const float* bias, int rows, float* c, int64_t ldc) {
  if (bias == nullptr) return;
  for (int r = 0; r < rows; ++r) {
    for (int j = 0; j < kPanelWidth; j += kSide)
      _mm512_storeu_ps(c + r * ldc + j, _mm512_add_ps(_mm512_loadu_ps(c + r * ldc + j), _mm512_loadu_ps(bias + j)));
  }
}

void tile(const void* rows_packed, const void* panel, int64_t count, int rows, float* c, int64_t ldc, const float* bias,
          bool accumulate, const void* next, int64_t next_step) {
  configure(rows);
  const auto* a = static_cast<const uint8_t*>(rows_packed);
  const auto* b = static_cast<const uint8_t*>(panel);
  const auto* fetch = static_cast<const char*>(next);
  const int64_t steps = (count + kStep - 1) / kStep;
  if (rows > kSide) {
    multiply<true>(a, b, steps, c, ldc, accumulate, fetch, next_step);
  } else {
    multiply<false>(a, b, steps, c, ldc, accumulate, fetch, next_step);
  }
  add_bias(bias, rows, c, ldc);
}

void fetch_step(const uint8_t* weights) {
  for (int64_t i = 0; i < kStepBytes; i += kLine)
    _mm_prefetch(reinterpret_cast<const char*>(weights + kFetchAhead + i), _MM_HINT_T0);
}

// A row against one panel, or two.
template <bool kTwo>
void multiply_row(const uint8_t* row, const uint8_t* first, int64_t panel_bytes, int64_t steps, float* c) {
  const uint8_t* second = first + panel_bytes;
  _tile_zero(0);
  _tile_zero(1);
  if constexpr (kTwo) {
    _tile_zero(2);
    _tile_zero(3);
  }
  for (int64_t step = 0; step < steps; ++step, row += kLine, first += kStepBytes, second += kStepBytes) {
    _tile_loadd(4, row, kLine);
    fetch_step(first);
    _tile_loadd(6, first, kPairBytes);
    _tile_loadd(7, first + kLine, kPairBytes);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    if constexpr (kTwo) {
      fetch_step(second);
      _tile_loadd(6, second, kPairBytes);
      _tile_loadd(7, second + kLine, kPairBytes);
      _tile_dpbf16ps(2, 4, 6);
      _tile_dpbf16ps(3, 4, 7);
    }
  }
  _tile_stored(0, c, kLine);
  _tile_stored(1, c + kSide, kLine);
  if constexpr (kTwo) {
    _tile_stored(2, c + kPanelWidth, kLine);
    _tile_stored(3, c + kPanelWidth + kSide, kLine);
  }
}

void vector(const void* row_packed, const void* panel, int64_t panel_bytes, int64_t panels, int64_t count, float* c,
            const float* bias) {
  configure(1);
  const auto* row = static_cast<const uint8_t*>(row_packed);
  const auto* weights = static_cast<const uint8_t*>(panel);
  const int64_t steps = (count + kStep - 1) / kStep;
  for (int64_t p = 0; p < panels; p += 2, weights += 2 * panel_bytes) {
    if (p + 1 < panels) {
      multiply_row<true>(row, weights, panel_bytes, steps, c + p * kPanelWidth);
    } else {
      multiply_row<false>(row, weights, panel_bytes, steps, c + p * kPanelWidth);
    }
  }
  for (int64_t p = 0; p < panels && bias != nullptr; ++p)
    add_bias(bias + p * kPanelWidth, 1, c + p * kPanelWidth, kPanelWidth);
}

void finish() {
  if (g_configured_rows == 0) return;
  _tile_release();
  g_configured_rows = 0;
}

}  // namespace

const ProductKernels kAmxBf16Products = {
    "amx", kTileRows, kPanelWidth, 2, pack_rows, tile, vector, nullptr, kStep, kInputBlock, finish,
};

}  // namespace azimuth::kernels
