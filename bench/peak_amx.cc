#include "bench/peak.h"

#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace azimuth::bench {
namespace {

constexpr int kTileBytes = 1024;  // 16 rows of 64 bytes

// What LDTILECFG reads: palette 1, all eight tiles of full size.
struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(sizeof(TileConfig) == 64, "the layout is the processor's");

// Static: g++ 12 takes _tile_loadconfig for a read of eight bytes and may drop what a function wrote to the others.
constinit const TileConfig kConfig;

void start_tiles() {
  _tile_loadconfig(&kConfig);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_zero(4);
  _tile_zero(5);
  _tile_zero(6);
  _tile_zero(7);
}

void stop_tiles(float* sink) {
  alignas(64) float sums[kTileBytes / sizeof(float)];
  _tile_stored(0, sums, 64);
  *sink = sums[0];
  _tile_release();
}

}  // namespace

// Six tiles of sums: a product takes 52 cycles, and one starts every 16.
int64_t peak_amx_int8(int64_t rounds, float* sink) {
  start_tiles();
  for (int64_t round = 0; round < rounds; ++round) {
    _tile_dpbusd(0, 6, 7);
    _tile_dpbusd(1, 6, 7);
    _tile_dpbusd(2, 6, 7);
    _tile_dpbusd(3, 6, 7);
    _tile_dpbusd(4, 6, 7);
    _tile_dpbusd(5, 6, 7);
  }
  stop_tiles(sink);
  return int64_t{6} * 16 * 16 * 64 * 2;
}

int64_t peak_amx_bf16(int64_t rounds, float* sink) {
  start_tiles();
  for (int64_t round = 0; round < rounds; ++round) {
    _tile_dpbf16ps(0, 6, 7);
    _tile_dpbf16ps(1, 6, 7);
    _tile_dpbf16ps(2, 6, 7);
    _tile_dpbf16ps(3, 6, 7);
    _tile_dpbf16ps(4, 6, 7);
    _tile_dpbf16ps(5, 6, 7);
  }
  stop_tiles(sink);
  return int64_t{6} * 16 * 16 * 32 * 2;
}

bool request_amx() {
  constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr long kTileData = 18;               // XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

}  // namespace azimuth::bench
