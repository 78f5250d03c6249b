// Products with quantised weights: blocking and threads. Rows are quantised block by block once per product and kept as
// the tiles of the level read them.
#include <algorithm>

#include "kernels/packed_matrix.h"
#include "kernels/partial_tile.h"

namespace azimuth::kernels {
namespace {

constexpr int64_t kRowBlock = 256;   // rows quantised at a time
constexpr int64_t kSliceBlocks = 8;  // blocks of inputs between two visits of the results
// Below this many multiply-adds waking other threads costs more than it saves.
constexpr int64_t kWorthThreads = 64 * 1024;
constexpr int64_t kMatvecTaskBytes = 128 * 1024;

class Product {
 public:
  Product(const PackedMatrix::Impl& m, const float* x, int64_t rows, int64_t ldx, const float* bias, float* y,
          int64_t ldy)
      : m_(m),
        wide_(m.quantised->many.tile_rows > 0 && rows >= m.quantised->many_from),
        kernels_(wide_ ? m.quantised->many : m.quantised->few),
        tiles_(rows, kernels_.tile_rows),
        slice_(rows == 1 ? std::max<int64_t>(1, m.blocks) : kSliceBlocks),
        x_(x),
        ldx_(ldx),
        bias_(bias),
        y_(y),
        ldy_(ldy) {}

  void run(Workspace& workspace, ThreadPool& pool) {
    packed_ = workspace.ensure<std::byte>(static_cast<size_t>(tiles_.rows * m_.blocks * kernels_.row_block_bytes));
    if (tiles_.rows * m_.inputs * m_.outputs < kWorthThreads) {
      pack_tiles(0, tiles_.tiles);
      multiply_panels(0, m_.panels);
      return;
    }
    if (tiles_.tiles == 1) {
      pack_tiles(0, 1);
    } else {
      auto pack = [this](int64_t begin, int64_t end) { pack_tiles(begin, end); };
      pool.for_each(tiles_.tiles, 1, std::cref(pack));
    }
    auto multiply = [this](int64_t begin, int64_t end) { multiply_panels(begin, end); };
    pool.for_each(m_.panels, group(pool), std::cref(multiply));
  }

 private:
  // Panels of one task. A group passes over the packed rows once; a few groups per thread even out the load.
  int64_t group(const ThreadPool& pool) const {
    if (tiles_.tiles == 1) return std::max<int64_t>(1, kMatvecTaskBytes / std::max<int64_t>(1, m_.panel_bytes));
    return std::clamp<int64_t>(m_.panels / (4 * pool.threads()), 1, 8);
  }

  // Packed rows: [slice][tile][blocks of the slice][rows of the tile].
  std::byte* packed(int64_t block, int64_t count, int64_t tile) const {
    return packed_ + (block * tiles_.rows + count * tiles_.begin(tile)) * kernels_.row_block_bytes;
  }
  int64_t slice_count(int64_t block) const { return std::min(slice_, m_.blocks - block); }

  void pack_tiles(int64_t begin, int64_t end) const {
    for (int64_t t = begin; t < end; ++t) {
      for (int64_t block = 0; block < m_.blocks; block += slice_) {
        const int64_t first = block * kQuantBlock;
        const int64_t inputs = std::min(slice_ * kQuantBlock, m_.inputs - first);
        kernels_.pack_rows(x_ + tiles_.begin(t) * ldx_ + first, ldx_, tiles_.size(t), inputs,
                           packed(block, slice_count(block), t));
      }
    }
  }

  // Sums gather side by side, [panels of the task][rows][32], and go to y at the end: rows of y often lie a power of
  // two apart, of which a cache keeps only a few.
  void multiply_panels(int64_t begin, int64_t end) const {
    static thread_local Workspace workspace;
    const int64_t panel_floats = tiles_.rows * kQuantPanel;
    const int64_t wide_floats = wide_ ? slice_ * m_.quantised->wide_record_bytes / 4 : 0;
    float* wide = workspace.ensure<float>(static_cast<size_t>(wide_floats + (end - begin) * panel_floats));
    float* sums = wide + wide_floats;
    int64_t block = 0;
    do {  // once even for a matrix without inputs, to write the bias
      for (int64_t p = begin; p < end; ++p) {
        const int64_t count = slice_count(block);
        const void* records = m_.panel(p) + block * m_.record_bytes;
        if (wide_ && m_.quantised->widen != nullptr) {
          m_.quantised->widen(records, count, wide);
          records = wide;
        }
        for (int64_t t = 0; t < tiles_.tiles; ++t) {
          kernels_.tile(packed(block, count, t), records, count, tiles_.size(t),
                        sums + (p - begin) * panel_floats + tiles_.begin(t) * kQuantPanel, block > 0);
        }
      }
      block += slice_;
    } while (block < m_.blocks);
    if (kernels_.finish != nullptr) kernels_.finish();
    for (int64_t p = begin; p < end; ++p) write_panel(p, sums + (p - begin) * panel_floats);
  }

  // sums [rows, 32] + bias -> y
  void write_panel(int64_t p, const float* sums) const {
    const int64_t column = p * kQuantPanel;
    const int64_t columns = std::min<int64_t>(kQuantPanel, m_.outputs - column);
    for (int64_t r = 0; r < tiles_.rows; ++r, sums += kQuantPanel) {
      float* y = y_ + r * ldy_ + column;
      if (bias_ == nullptr) {
        std::copy_n(sums, columns, y);
      } else {
        for (int64_t j = 0; j < columns; ++j) y[j] = sums[j] + bias_[column + j];
      }
    }
  }

  const PackedMatrix::Impl& m_;
  const bool wide_;
  const QuantisedRows& kernels_;
  const RowTiles tiles_;
  const int64_t slice_;
  const float* x_;
  const int64_t ldx_;
  const float* bias_;
  float* y_;
  const int64_t ldy_;
  std::byte* packed_ = nullptr;
};

}  // namespace

void multiply_quantised(const PackedMatrix::Impl& m, const float* x, int64_t rows, int64_t ldx, const float* bias,
                        float* y, int64_t ldy, ThreadPool& pool) {
  static thread_local Workspace workspace;
  const int64_t parts = ceil_div(rows, kRowBlock);
  for (int64_t part = 0; part < parts; ++part) {
    const int64_t begin = part * rows / parts;
    const int64_t end = (part + 1) * rows / parts;
    Product(m, x + begin * ldx, end - begin, ldx, bias, y + begin * ldy, ldy).run(workspace, pool);
  }
}

}  // namespace azimuth::kernels
