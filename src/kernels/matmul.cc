// Products with packed weights: blocking and threads. The arithmetic is in the tile and vector functions of the level.
//
// Weights lie in panels of panel_width outputs, [outputs / panel_width][inputs][panel_width], the last one filled up
// with zeros. Rows of x are packed block by block, so that a tile reads both operands as two forward streams.
#include <algorithm>

#include "kernels/packed_matrix.h"
#include "kernels/row_tiles.h"

namespace azimuth::kernels {

namespace {

// Rows of x packed at a time; the packed rows of one slice of inputs (ProductKernels::input_block) stay in L2.
constexpr int64_t kRowBlock = 240;
constexpr int64_t kMaxPanelWidth = 64;
constexpr int64_t kMaxTileFloats = 16 * kMaxPanelWidth;
// From so many tiles on, widening a slice of weights once beats widening it in every tile.
constexpr int64_t kWorthWidening = 3;
// Below this many multiply-adds waking other threads costs more than it saves.
constexpr int64_t kWorthThreads = 32 * 1024;
constexpr int64_t kMatvecTaskBytes = 128 * 1024;

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

// y [rows, outputs] of one block of rows, with everything that its tasks share.
class BlockProduct {
 public:
  BlockProduct(const PackedMatrix::Impl& m, const float* x, int64_t rows, int64_t ldx, const float* bias, float* y,
               int64_t ldy)
      : m_(m), k_(*m.kernels), tiles_(rows, k_.tile_rows), x_(x), ldx_(ldx), bias_(bias), y_(y), ldy_(ldy) {}

  void run(Workspace& workspace, ThreadPool& pool) {
    packed_ = workspace.ensure<std::byte>(static_cast<size_t>(tiles_.rows * m_.padded_inputs * k_.row_element_bytes));
    if (tiles_.rows * m_.inputs * m_.outputs < kWorthThreads) {
      pack_tiles(0, tiles_.tiles);
      multiply_panels(0, m_.panels);
      return;
    }
    auto pack = [this](int64_t begin, int64_t end) { pack_tiles(begin, end); };
    pool.for_each(tiles_.tiles, 1, pack);
    // A group of panels passes over the packed rows once; a few groups per thread even out the load.
    const int64_t group = std::clamp<int64_t>(m_.panels / (4 * pool.threads()), 1, 8);
    auto multiply = [this](int64_t begin, int64_t end) { multiply_panels(begin, end); };
    pool.for_each(m_.panels, group, multiply);
  }

 private:
  // Packed rows: [input block][tile][inputs of the block][rows of the tile].
  std::byte* packed(int64_t k_begin, int64_t k_count, int64_t tile) const {
    return packed_ + (k_begin * tiles_.rows + k_count * tiles_.begin(tile)) * k_.row_element_bytes;
  }
  int64_t k_count(int64_t k_begin) const { return std::min(k_.input_block, m_.padded_inputs - k_begin); }

  void pack_tiles(int64_t begin, int64_t end) const {
    for (int64_t t = begin; t < end; ++t)
      for (int64_t k = 0; k < m_.inputs; k += k_.input_block)
        k_.pack_rows(x_ + tiles_.begin(t) * ldx_ + k, ldx_, tiles_.size(t), std::min(k_.input_block, m_.inputs - k),
                     packed(k, k_count(k), t));
  }

  void multiply_panels(int64_t begin, int64_t end) const {
    static thread_local Workspace widened;
    int64_t k = 0;
    do {  // once even for a matrix without inputs, to write the bias
      for (int64_t p = begin; p < end; ++p) {
        const bool last = p + 1 == end;
        const Slice slice = slice_of(p, k, slice_start(last ? begin : p + 1, last ? k + k_.input_block : k), widened);
        for (int64_t t = 0; t < tiles_.tiles; ++t) multiply_tile(slice, t);
      }
      k += k_.input_block;
    } while (k < m_.padded_inputs);
    if (k_.finish != nullptr) k_.finish();
  }

  // The steps [k, k + count) of one panel, ready for `tile`, and the slice that comes after it.
  struct Slice {
    int64_t panel;
    int64_t k;
    int64_t count;
    const void* weights;
    decltype(ProductKernels::tile) tile;
    const std::byte* next;
  };

  int64_t step_bytes() const { return m_.panel_bytes / std::max<int64_t>(1, m_.padded_inputs); }
  const std::byte* slice_start(int64_t p, int64_t k) const { return m_.panel(p) + k * step_bytes(); }

  Slice slice_of(int64_t p, int64_t k, const std::byte* next, Workspace& widened) const {
    Slice slice{p, k, k_count(k), slice_start(p, k), k_.tile, next};
    if (k_.widen == nullptr || tiles_.tiles < kWorthWidening) return slice;
    float* wide = widened.ensure<float>(static_cast<size_t>(k_.input_block * k_.panel_width));
    k_.widen(slice.weights, slice.count, wide);
    slice.weights = wide;
    slice.tile = m_.f32->tile;
    return slice;
  }

  // While a slice is in use, each of its tiles asks for an equal part of the next one.
  void multiply_tile(const Slice& slice, int64_t tile) const {
    const int64_t column = slice.panel * k_.panel_width;
    const int64_t columns = std::min<int64_t>(k_.panel_width, m_.outputs - column);
    const int rows = tiles_.size(tile);
    const std::byte* a = packed(slice.k, slice.count, tile);
    const float* bias = bias_ != nullptr && slice.k + slice.count >= m_.padded_inputs ? bias_ + column : nullptr;
    float* y = y_ + tiles_.begin(tile) * ldy_ + column;
    const std::byte* next = slice.next + k_.input_block * step_bytes() * tile / tiles_.tiles;
    const int64_t next_step = step_bytes() / tiles_.tiles + 1;
    if (columns == k_.panel_width) {
      slice.tile(a, slice.weights, slice.count, rows, y, ldy_, bias, slice.k > 0, next, next_step);
      return;
    }
    PartialTile part(y, ldy_, rows, columns, k_.panel_width, bias, slice.k > 0);
    slice.tile(a, slice.weights, slice.count, rows, part.c, k_.panel_width, part.bias_or_null(), slice.k > 0, next,
               next_step);
  }

  const PackedMatrix::Impl& m_;
  const ProductKernels& k_;
  const RowTiles tiles_;
  const float* x_;
  const int64_t ldx_;
  const float* bias_;
  float* y_;
  const int64_t ldy_;
  std::byte* packed_ = nullptr;
};

// One row: every panel is read once, straight through, with no blocks of inputs; the order of sums is the same.
void multiply_row(const PackedMatrix::Impl& m, const float* x, const float* bias, float* y, Workspace& workspace,
                  ThreadPool& pool) {
  const ProductKernels& kernels = *m.kernels;
  std::byte* row = workspace.ensure<std::byte>(static_cast<size_t>(m.padded_inputs * kernels.row_element_bytes));
  kernels.pack_rows(x, m.inputs, 1, m.inputs, row);
  const int64_t width = kernels.panel_width;
  auto multiply = [&](int64_t begin, int64_t end) {
    const int64_t full = std::min(end, m.outputs / width);
    if (full > begin)
      kernels.vector(row, m.panel(begin), m.panel_bytes, full - begin, m.padded_inputs, y + begin * width,
                     bias != nullptr ? bias + begin * width : nullptr);
    const auto finish = [&] {
      if (kernels.finish != nullptr) kernels.finish();
    };
    if (full == end) return finish();
    const int64_t columns = m.outputs - full * width;
    alignas(64) float c[kMaxPanelWidth] = {};
    alignas(64) float padded_bias[kMaxPanelWidth] = {};
    if (bias != nullptr) std::copy_n(bias + full * width, columns, padded_bias);
    kernels.vector(row, m.panel(full), m.panel_bytes, 1, m.padded_inputs, c, bias != nullptr ? padded_bias : nullptr);
    std::copy_n(c, columns, y + full * width);
    finish();
  };
  if (m.inputs * m.outputs < kWorthThreads) return multiply(0, m.panels);
  const int64_t grain = std::max<int64_t>(4, kMatvecTaskBytes / m.panel_bytes);
  pool.for_each(m.panels, grain, multiply);
}

}  // namespace

void matmul(const PackedMatrix& w, const float* x, int64_t rows, int64_t ldx, const float* bias, float* y, int64_t ldy,
            ThreadPool& pool) {
  if (w.empty() || w.outputs() == 0 || rows <= 0) return;
  if (is_quantised(w.type())) {
    const QuantisedJob job{{&w, bias, y, ldy}};
    return run_quantised({&job, 1}, x, rows, ldx, pool);
  }
  static thread_local Workspace workspace;
  if (rows == 1) return multiply_row(w.impl(), x, bias, y, workspace, pool);
  const int64_t blocks = ceil_div(rows, kRowBlock);
  for (int64_t b = 0; b < blocks; ++b) {
    const int64_t begin = b * rows / blocks;
    const int64_t end = (b + 1) * rows / blocks;
    BlockProduct(w.impl(), x + begin * ldx, end - begin, ldx, bias, y + begin * ldy, ldy).run(workspace, pool);
  }
}

}  // namespace azimuth::kernels
