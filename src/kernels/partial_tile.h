// How rows are cut into tiles, and tiles that stick out of the result.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/packed_matrix.h"

namespace azimuth::kernels {

inline constexpr int64_t kMaxPanelWidth = 64;
inline constexpr int64_t kMaxTileFloats = 32 * kMaxPanelWidth;

// How the rows of one block are cut into tiles: as evenly as possible, since short tiles use the machine badly.
struct RowTiles {
  int64_t rows = 0;
  int64_t tiles = 0;
  RowTiles(int64_t row_count, int tile_rows) : rows(row_count), tiles(ceil_div(row_count, tile_rows)) {}
  int64_t begin(int64_t tile) const { return tile * rows / tiles; }
  int size(int64_t tile) const { return static_cast<int>(begin(tile + 1) - begin(tile)); }
};

// The last panel may stick out of y: its tile goes through a copy, which is written back at the end.
class PartialTile {
 public:
  PartialTile(float* y, int64_t ldy, int rows, int64_t columns, int64_t width, const float* bias, bool accumulate)
      : y_(y), ldy_(ldy), rows_(rows), columns_(columns), width_(width), has_bias_(bias != nullptr) {
    if (has_bias_) std::copy_n(bias, columns, bias_);
    for (int r = 0; accumulate && r < rows; ++r) std::copy_n(y + r * ldy, columns, c + r * width);
  }
  ~PartialTile() {
    for (int r = 0; r < rows_; ++r) std::copy_n(c + r * width_, columns_, y_ + r * ldy_);
  }
  PartialTile(const PartialTile&) = delete;
  PartialTile& operator=(const PartialTile&) = delete;

  const float* bias_or_null() const { return has_bias_ ? bias_ : nullptr; }

  alignas(64) float c[kMaxTileFloats] = {};  // [rows, width]

 private:
  alignas(64) float bias_[kMaxPanelWidth] = {};
  float* y_;
  int64_t ldy_;
  int rows_;
  int64_t columns_;
  int64_t width_;
  bool has_bias_;
};

}  // namespace azimuth::kernels
