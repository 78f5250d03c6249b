// The tile registers of AMX. Everything is local to the including file, which is compiled with -mamx-tile.
#pragma once

#include <immintrin.h>
#include <stdint.h>

namespace azimuth::kernels {
namespace {

constexpr int64_t kTileLine = 64;  // most bytes of a row of a tile

// What LDTILECFG reads.
struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};

  // Rows of 64 bytes; none leave the tile out.
  void set(int tile, int count) {
    rows[tile] = static_cast<uint8_t>(count);
    row_bytes[tile] = count > 0 ? kTileLine : 0;
  }
};
static_assert(sizeof(TileConfig) == 64, "the layout is the processor's");

inline __attribute__((always_inline)) void load_tile_config(const TileConfig& config) {
  __asm__ volatile("" : : "r"(&config) : "memory");  // g++ 12 believes that only eight bytes are read
  _tile_loadconfig(&config);
}

}  // namespace
}  // namespace azimuth::kernels
