// Weight matrices as the kernels read them: packed for the machine, or quantised.
//
// f32 and bf16 weights lie in panels of panel_width outputs, [outputs / panel_width][inputs][panel_width], the last one
// filled up with zeros. Quantised weights lie in the records of kernels/quantised.h.
#include "kernels/packed_matrix.h"

#include <algorithm>
#include <cstring>
#include <mutex>

#include "base/float16.h"
#include "base/mmap.h"
#include "kernels/whole_weights.h"

namespace azimuth::kernels {
namespace {

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

// Quantises panel p of W [outputs, inputs], one block of inputs after the other.
template <typename Source>
void quantise_panel(const Source* weights, int64_t p, QuantiseRecord quantise, PackedMatrix::Impl& m) {
  const int64_t first = p * kQuantPanel;
  const int64_t outputs = std::min<int64_t>(kQuantPanel, m.outputs - first);
  std::byte* record = m.data.data() + p * m.panel_bytes;
  alignas(64) float block[kQuantBlock * kQuantPanel];  // [inputs, outputs]
  for (int64_t k = 0; k < m.inputs; k += kQuantBlock, record += m.record_bytes) {
    const int64_t inputs = std::min<int64_t>(kQuantBlock, m.inputs - k);
    if (inputs < kQuantBlock || outputs < kQuantPanel) std::fill(std::begin(block), std::end(block), 0.0f);
    for (int64_t j = 0; j < outputs; ++j) {
      const Source* row = weights + (first + j) * m.inputs + k;
      for (int64_t i = 0; i < inputs; ++i) block[i * kQuantPanel + j] = widen(row[i]);
    }
    quantise(block, record);
  }
}

QuantiseRecord quantise_record_of(const PackedMatrix::Impl& m) {
  const KernelTable& table = active_table();
  if (m.type == WeightType::q4) return table.quantise_q4;
  return m.row_bits == RowBits::seven ? table.quantise_q8_bounded : table.quantise_q8;
}

template <typename Source>
void fill_panel(const Source* weights, int64_t p, PackedMatrix::Impl& m) {
  if (m.quantised == nullptr) return pack_panel(weights, p, m);
  quantise_panel(weights, p, quantise_record_of(m), m);
}

void fill_panel_of(const TensorView& weights, int64_t p, PackedMatrix::Impl& m) {
  switch (weights.dtype) {
    case DType::f32: return fill_panel(weights.as<float>(), p, m);
    case DType::f16: return fill_panel(weights.as<F16>(), p, m);
    default: return fill_panel(weights.as<BF16>(), p, m);
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

// Sizes of a matrix [outputs, inputs] of `type`, and the kernels of the active level.
PackedMatrix::Impl layout_of(int64_t outputs, int64_t inputs, WeightType type) {
  const KernelTable& table = active_table();
  PackedMatrix::Impl m;
  m.type = type;
  m.outputs = outputs;
  m.inputs = inputs;
  if (is_quantised(type)) {
    m.quantised = type == WeightType::q8 ? &table.q8 : &table.q4;
    m.record_bytes = type == WeightType::q8 ? kQ8RecordBytes : kQ4RecordBytes;
    m.blocks = ceil_div(inputs, kQuantBlock);
    m.panels = ceil_div(outputs, kQuantPanel);
    m.panel_bytes = m.blocks * m.record_bytes;
  } else {
    m.kernels = type == WeightType::f32 ? &table.f32 : &table.bf16;
    m.f32 = &table.f32;
    m.padded_inputs = ceil_div(inputs, m.kernels->input_multiple) * m.kernels->input_multiple;
    m.panels = ceil_div(outputs, m.kernels->panel_width);
    m.panel_bytes = m.padded_inputs * m.kernels->panel_width * (type == WeightType::f32 ? 4 : 2);
  }
  m.size = static_cast<size_t>(m.panels * m.panel_bytes);
  return m;
}

using Whole = void (*)(const uint8_t* record, int output, int32_t* out);

void unpack_quantised(const PackedMatrix::Impl& m, int64_t output, float* out) {
  const auto column = static_cast<int>(output % kQuantPanel);
  const auto* record = reinterpret_cast<const uint8_t*>(m.panel(output / kQuantPanel));
  const Whole whole = m.type == WeightType::q8 ? whole_q8 : whole_q4;
  const int64_t quant_bytes = m.type == WeightType::q8 ? kQ8QuantBytes : kQ4QuantBytes;
  int32_t row[kQuantBlock];
  for (int64_t k = 0; k < m.inputs; k += kQuantBlock, record += m.record_bytes) {
    whole(record, column, row);
    const float scale = scale_of(record, quant_bytes, column);
    const int64_t count = std::min<int64_t>(kQuantBlock, m.inputs - k);
    for (int64_t i = 0; i < count; ++i) out[k + i] = scale * static_cast<float>(row[i]);
  }
}

}  // namespace

std::string_view to_string(WeightType type) {
  switch (type) {
    case WeightType::f32: return "f32";
    case WeightType::bf16: return "bf16";
    case WeightType::q8: return "q8";
    case WeightType::q4: return "q4";
  }
  return "unknown";
}

PackedMatrix::PackedMatrix() = default;
PackedMatrix::~PackedMatrix() = default;
PackedMatrix::PackedMatrix(PackedMatrix&&) noexcept = default;
PackedMatrix& PackedMatrix::operator=(PackedMatrix&&) noexcept = default;

Result<PackedMatrix> PackedMatrix::allocate(const TensorView& weights, WeightType type, RowBits bits) {
  AZ_RETURN_IF_ERROR(check_weights(weights));
  PackedMatrix packed;
  packed.impl_ = std::make_unique<Impl>(layout_of(weights.shape[0], weights.shape[1], type));
  Impl& m = *packed.impl_;
  m.row_bits = bits;
  if (!m.data.try_allocate(m.size)) {
    return resource_exhausted("[kernels] expected " + std::to_string(m.size) +
                              " bytes of memory for a weight matrix of shape " + weights.shape.to_string() +
                              ", found too little; use a smaller model or a narrower type");
  }
  m.bytes = m.data.data();
  return packed;
}

Result<PackedMatrix> PackedMatrix::pack(const TensorView& weights, WeightType type, ThreadPool& pool, RowBits bits) {
  AZ_ASSIGN_OR_RETURN(PackedMatrix packed, allocate(weights, type, bits));
  Impl& m = *packed.impl_;
  pool.for_each(m.panels, 1, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) fill_panel_of(weights, p, m);
  });
  return packed;
}

Result<PackedMatrix> PackedMatrix::pack_mapped(const TensorView& weights, WeightType type, ThreadPool& pool,
                                               RowBits bits, std::string_view what,
                                               const std::function<void(std::span<const std::byte>)>& used) {
  AZ_ASSIGN_OR_RETURN(PackedMatrix packed, allocate(weights, type, bits));
  Impl& m = *packed.impl_;
  const int64_t panel_rows = m.quantised != nullptr ? int64_t{kQuantPanel} : m.kernels->panel_width;
  const auto row_bytes = static_cast<int64_t>(size_of(weights.dtype)) * m.inputs;
  std::mutex mutex;
  Status first_failure;
  pool.for_each(m.panels, 1, [&](int64_t begin, int64_t end) {
    const Status status = guarded_read(what, [&] {
      for (int64_t p = begin; p < end; ++p) fill_panel_of(weights, p, m);
    });
    if (!status.ok()) {
      const std::lock_guard lock(mutex);
      first_failure = status;
      return;
    }
    const int64_t first = begin * panel_rows;
    const int64_t last = std::min(end * panel_rows, m.outputs);
    used({weights.data + first * row_bytes, static_cast<size_t>((last - first) * row_bytes)});
  });
  if (!first_failure.ok()) return first_failure;
  return packed;
}

Result<PackedMatrix> PackedMatrix::adopt(int64_t outputs, int64_t inputs, WeightType type,
                                         std::span<const std::byte> stored, std::shared_ptr<const void> owner) {
  if (!is_quantised(type) || outputs < 0 || inputs < 0) {
    return invalid_argument("[kernels] expected the bytes of a q8 or q4 matrix, found type " +
                            std::string(to_string(type)) + "; other types are packed for the machine");
  }
  PackedMatrix packed;
  packed.impl_ = std::make_unique<Impl>(layout_of(outputs, inputs, type));
  Impl& m = *packed.impl_;
  if (stored.size() != m.size || reinterpret_cast<uintptr_t>(stored.data()) % 64 != 0) {
    return invalid_argument("[kernels] expected " + std::to_string(m.size) + " bytes on a multiple of 64 for a " +
                            std::string(to_string(type)) + " matrix of " + std::to_string(outputs) + " x " +
                            std::to_string(inputs) + ", found " + std::to_string(stored.size()) +
                            "; quantise the checkpoint again");
  }
  m.bytes = stored.data();
  m.owner = std::move(owner);
  return packed;
}

size_t PackedMatrix::stored_size(int64_t outputs, int64_t inputs, WeightType type) {
  return layout_of(outputs, inputs, type).size;
}

int64_t PackedMatrix::outputs() const {
  return impl_ ? impl_->outputs : 0;
}
int64_t PackedMatrix::inputs() const {
  return impl_ ? impl_->inputs : 0;
}
void PackedMatrix::set_row_bits(RowBits bits) {
  impl_->row_bits = bits;
}

RowBits PackedMatrix::row_bits() const {
  return empty() ? RowBits::eight : impl_->row_bits;
}

WeightType PackedMatrix::type() const {
  return impl_ ? impl_->type : WeightType::f32;
}
size_t PackedMatrix::bytes() const {
  return impl_ ? impl_->size : 0;
}
std::span<const std::byte> PackedMatrix::stored() const {
  return impl_ ? std::span(impl_->bytes, impl_->size) : std::span<const std::byte>();
}

void PackedMatrix::unpack_row(int64_t output, float* out) const {
  const Impl& m = *impl_;
  if (m.quantised != nullptr) return unpack_quantised(m, output, out);
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

}  // namespace azimuth::kernels
