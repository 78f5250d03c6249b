#pragma once

#include <cstdint>

#include "kernels/packed_matrix.h"

namespace azimuth::kernels {

// How the rows of one block are cut into tiles: as evenly as possible, since short tiles use the machine badly.
struct RowTiles {
  int64_t rows = 0;
  int64_t tiles = 0;
  RowTiles(int64_t row_count, int tile_rows) : rows(row_count), tiles(ceil_div(row_count, tile_rows)) {}
  int64_t begin(int64_t tile) const { return tile * rows / tiles; }
  int size(int64_t tile) const { return static_cast<int>(begin(tile + 1) - begin(tile)); }
};

}  // namespace azimuth::kernels
