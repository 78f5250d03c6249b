// Products with packed weights: blocking and threads. The arithmetic is in the tile and vector functions of the level.
//
// Weights lie in panels of panel_width outputs, [outputs / panel_width][inputs][panel_width], the last one filled up
// with zeros. Rows of x are packed block by block, so that a tile reads both operands as two forward streams.
#include <algorithm>
#include <cstring>

#include "base/float16.h"
#include "kernels/dispatch.h"
#include "kernels/kernels.h"
#include "kernels/workspace.h"

namespace azimuth::kernels {

struct PackedMatrix::Impl {
  const ProductKernels* kernels = nullptr;
  const ProductKernels* f32 = nullptr;  // of the same level
  WeightType type = WeightType::f32;
  int64_t outputs = 0;
  int64_t inputs = 0;
  int64_t padded_inputs = 0;  // even where weights are paired
  int64_t panels = 0;
  int64_t panel_bytes = 0;
  Workspace data;

  const std::byte* panel(int64_t p) const { return data.data() + p * panel_bytes; }
};

namespace {

// Rows of x packed at a time, and the steps of k between two visits of the results: a panel's slice stays in the L1
// cache while all tiles pass, the packed rows of one slice in L2.
constexpr int64_t kRowBlock = 240;
constexpr int64_t kInputBlock = 384;
constexpr int64_t kMaxPanelWidth = 64;
constexpr int64_t kMaxTileFloats = 16 * kMaxPanelWidth;
// From so many tiles on, widening a slice of weights once beats widening it in every tile.
constexpr int64_t kWorthWidening = 3;
// Below this many multiply-adds waking other threads costs more than it saves.
constexpr int64_t kWorthThreads = 32 * 1024;
constexpr int64_t kMatvecTaskBytes = 128 * 1024;

int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

template <typename T>
float widen(T value);
template <>
float widen<float>(float value) {
  return value;
}

struct F16 {
  uint16_t bits;
};
struct BF16 {
  uint16_t bits;
};
template <>
float widen<F16>(F16 value) {
  return f16_to_f32(value.bits);
}
template <>
float widen<BF16>(BF16 value) {
  return bf16_to_f32(value.bits);
}

// Fills panel p from W [outputs, inputs]; the panel is zeroed before.
template <typename Source>
void pack_panel(const Source* weights, int64_t p, PackedMatrix::Impl& m) {
  const int64_t width = m.kernels->panel_width;
  const int64_t first = p * width;
  const int64_t count = std::min(width, m.outputs - first);
  std::byte* panel = m.data.data() + p * m.panel_bytes;
  std::memset(panel, 0, static_cast<size_t>(m.panel_bytes));
  for (int64_t j = 0; j < count; ++j) {
    const Source* row = weights + (first + j) * m.inputs;
    if (m.type == WeightType::f32) {
      float* out = reinterpret_cast<float*>(panel) + j;
      for (int64_t k = 0; k < m.inputs; ++k) out[k * width] = widen(row[k]);
    } else {
      uint16_t* out = reinterpret_cast<uint16_t*>(panel) + 2 * j;
      for (int64_t k = 0; k < m.inputs; ++k) out[(k / 2) * 2 * width + k % 2] = f32_to_bf16(widen(row[k]));
    }
  }
}

void pack_panel_of(const TensorView& weights, int64_t p, PackedMatrix::Impl& m) {
  switch (weights.dtype) {
    case DType::f32: return pack_panel(weights.as<float>(), p, m);
    case DType::f16: return pack_panel(weights.as<F16>(), p, m);
    default: return pack_panel(weights.as<BF16>(), p, m);
  }
}

Status check_weights(const TensorView& weights) {
  if (weights.shape.rank() != 2) {
    return invalid_argument("[kernels] expected a weight matrix of two dimensions, found shape " +
                            weights.shape.to_string());
  }
  if (weights.dtype != DType::f32 && weights.dtype != DType::f16 && weights.dtype != DType::bf16) {
    return invalid_argument("[kernels] expected a weight matrix of f32, f16 or bf16, found " +
                            std::string(to_string(weights.dtype)));
  }
  if (!weights.is_contiguous()) {
    return invalid_argument("[kernels] expected a contiguous weight matrix, found strides over shape " +
                            weights.shape.to_string() + "; copy it first");
  }
  return ok_status();
}

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
    pool.for_each(tiles_.tiles, 1, std::cref(pack));
    // A group of panels passes over the packed rows once; a few groups per thread even out the load.
    const int64_t group = std::clamp<int64_t>(m_.panels / (4 * pool.threads()), 1, 8);
    auto multiply = [this](int64_t begin, int64_t end) { multiply_panels(begin, end); };
    pool.for_each(m_.panels, group, std::cref(multiply));
  }

 private:
  // Packed rows: [input block][tile][inputs of the block][rows of the tile].
  std::byte* packed(int64_t k_begin, int64_t k_count, int64_t tile) const {
    return packed_ + (k_begin * tiles_.rows + k_count * tiles_.begin(tile)) * k_.row_element_bytes;
  }
  int64_t k_count(int64_t k_begin) const { return std::min(kInputBlock, m_.padded_inputs - k_begin); }

  void pack_tiles(int64_t begin, int64_t end) const {
    for (int64_t t = begin; t < end; ++t)
      for (int64_t k = 0; k < m_.inputs; k += kInputBlock)
        k_.pack_rows(x_ + tiles_.begin(t) * ldx_ + k, ldx_, tiles_.size(t), std::min(kInputBlock, m_.inputs - k),
                     packed(k, k_count(k), t));
  }

  void multiply_panels(int64_t begin, int64_t end) const {
    static thread_local Workspace widened;
    int64_t k = 0;
    do {  // once even for a matrix without inputs, to write the bias
      for (int64_t p = begin; p < end; ++p) {
        const bool last = p + 1 == end;
        const Slice slice = slice_of(p, k, slice_start(last ? begin : p + 1, last ? k + kInputBlock : k), widened);
        for (int64_t t = 0; t < tiles_.tiles; ++t) multiply_tile(slice, t);
      }
      k += kInputBlock;
    } while (k < m_.padded_inputs);
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
    float* wide = widened.ensure<float>(static_cast<size_t>(kInputBlock * k_.panel_width));
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
    const std::byte* next = slice.next + kInputBlock * step_bytes() * tile / tiles_.tiles;
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
    if (full == end) return;
    const int64_t columns = m.outputs - full * width;
    alignas(64) float c[kMaxPanelWidth] = {};
    alignas(64) float padded_bias[kMaxPanelWidth] = {};
    if (bias != nullptr) std::copy_n(bias + full * width, columns, padded_bias);
    kernels.vector(row, m.panel(full), m.panel_bytes, 1, m.padded_inputs, c, bias != nullptr ? padded_bias : nullptr);
    std::copy_n(c, columns, y + full * width);
  };
  if (m.inputs * m.outputs < kWorthThreads) return multiply(0, m.panels);
  const int64_t grain = std::max<int64_t>(4, kMatvecTaskBytes / m.panel_bytes);
  pool.for_each(m.panels, grain, std::cref(multiply));
}

}  // namespace

std::string_view to_string(WeightType type) {
  return type == WeightType::f32 ? "f32" : "bf16";
}

PackedMatrix::PackedMatrix() = default;
PackedMatrix::~PackedMatrix() = default;
PackedMatrix::PackedMatrix(PackedMatrix&&) noexcept = default;
PackedMatrix& PackedMatrix::operator=(PackedMatrix&&) noexcept = default;

Result<PackedMatrix> PackedMatrix::pack(const TensorView& weights, WeightType type, ThreadPool& pool) {
  AZ_RETURN_IF_ERROR(check_weights(weights));
  PackedMatrix packed;
  packed.impl_ = std::make_unique<Impl>();
  Impl& m = *packed.impl_;
  m.kernels = type == WeightType::f32 ? &active_table().f32 : &active_table().bf16;
  m.f32 = &active_table().f32;
  m.type = type;
  m.outputs = weights.shape[0];
  m.inputs = weights.shape[1];
  m.padded_inputs = type == WeightType::f32 ? m.inputs : m.inputs + m.inputs % 2;
  m.panels = ceil_div(m.outputs, m.kernels->panel_width);
  m.panel_bytes = m.padded_inputs * m.kernels->panel_width * (type == WeightType::f32 ? 4 : 2);
  if (!m.data.try_ensure(static_cast<size_t>(m.panels * m.panel_bytes))) {
    return resource_exhausted("[kernels] expected " + std::to_string(m.panels * m.panel_bytes) +
                              " bytes of memory for a weight matrix of shape " + weights.shape.to_string() +
                              ", found too little; use a smaller model or a narrower type");
  }
  pool.for_each(m.panels, 1, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) pack_panel_of(weights, p, m);
  });
  return packed;
}

int64_t PackedMatrix::outputs() const {
  return impl_ ? impl_->outputs : 0;
}
int64_t PackedMatrix::inputs() const {
  return impl_ ? impl_->inputs : 0;
}
WeightType PackedMatrix::type() const {
  return impl_ ? impl_->type : WeightType::f32;
}
size_t PackedMatrix::bytes() const {
  return impl_ ? impl_->data.bytes() : 0;
}

void PackedMatrix::unpack_row(int64_t output, float* out) const {
  const Impl& m = *impl_;
  const int64_t width = m.kernels->panel_width;
  const int64_t j = output % width;
  const std::byte* panel = m.panel(output / width);
  if (m.type == WeightType::f32) {
    const float* in = reinterpret_cast<const float*>(panel) + j;
    for (int64_t k = 0; k < m.inputs; ++k) out[k] = in[k * width];
  } else {
    const uint16_t* in = reinterpret_cast<const uint16_t*>(panel) + 2 * j;
    for (int64_t k = 0; k < m.inputs; ++k) out[k] = bf16_to_f32(in[(k / 2) * 2 * width + k % 2]);
  }
}

void matmul(const PackedMatrix& w, const float* x, int64_t rows, int64_t ldx, const float* bias, float* y, int64_t ldy,
            ThreadPool& pool) {
  if (w.empty() || w.outputs() == 0 || rows <= 0) return;
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
