#include "tensor/tensor.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "base/float16.h"

namespace azimuth {

size_t size_of(DType dtype) {
  switch (dtype) {
    case DType::f64:
    case DType::i64: return 8;
    case DType::f32:
    case DType::i32: return 4;
    case DType::f16:
    case DType::bf16:
    case DType::i16: return 2;
    case DType::i8:
    case DType::u8:
    case DType::boolean: return 1;
  }
  return 0;
}

std::string_view to_string(DType dtype) {
  switch (dtype) {
    case DType::f64: return "f64";
    case DType::f32: return "f32";
    case DType::f16: return "f16";
    case DType::bf16: return "bf16";
    case DType::i64: return "i64";
    case DType::i32: return "i32";
    case DType::i16: return "i16";
    case DType::i8: return "i8";
    case DType::u8: return "u8";
    case DType::boolean: return "bool";
  }
  return "unknown";
}

Shape::Shape(std::initializer_list<int64_t> dims) : rank_(static_cast<int>(dims.size())) {
  assert(dims.size() <= kMaxRank);
  std::copy(dims.begin(), dims.end(), dims_.begin());
}

Shape::Shape(const std::vector<int64_t>& dims) : rank_(static_cast<int>(dims.size())) {
  assert(dims.size() <= kMaxRank);
  std::copy(dims.begin(), dims.end(), dims_.begin());
}

int64_t Shape::elements() const {
  int64_t count = 1;
  for (int axis = 0; axis < rank_; ++axis) count *= dims_[axis];
  return count;
}

std::string Shape::to_string() const {
  std::string text = "[";
  for (int axis = 0; axis < rank_; ++axis) {
    if (axis > 0) text += ", ";
    text += std::to_string(dims_[axis]);
  }
  return text + "]";
}

bool Shape::operator==(const Shape& other) const {
  return rank_ == other.rank_ && std::equal(dims_.begin(), dims_.begin() + rank_, other.dims_.begin());
}

TensorView TensorView::contiguous(const void* data, DType dtype, const Shape& shape) {
  TensorView view{static_cast<const std::byte*>(data), dtype, shape, {}};
  int64_t stride = 1;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    view.strides[axis] = stride;
    stride *= shape[axis];
  }
  return view;
}

bool TensorView::is_contiguous() const {
  int64_t stride = 1;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    if (shape[axis] != 1 && strides[axis] != stride) return false;
    stride *= shape[axis];
  }
  return true;
}

namespace {

constexpr int64_t kLineElements = 64 / sizeof(float);

int64_t elements_of_row(const Shape& shape) {
  const int64_t count = shape.elements();
  return shape.rank() == 0 || shape[0] == 0 ? count : count / shape[0];
}

}  // namespace

Tensor::Tensor(const Shape& shape) {
  resize(shape);
}

void Tensor::resize(const Shape& shape) {
  const int64_t count = shape.elements();
  if (empty() || count > capacity_) {
    capacity_ = (count + kLineElements - 1) / kLineElements * kLineElements;
    data_ = Pages();  // first, so that both are never held
    data_.allocate(static_cast<size_t>(capacity_) * sizeof(float));
  }
  shape_ = shape;
  row_elements_ = elements_of_row(shape);
}

Tensor Tensor::zeros(const Shape& shape) {
  Tensor tensor(shape);
  std::fill_n(tensor.data(), tensor.elements(), 0.0f);
  return tensor;
}

void Tensor::reshape(const Shape& shape) {
  assert(shape.elements() == shape_.elements());
  shape_ = shape;
  row_elements_ = shape.rank() == 0 || shape[0] == 0 ? 0 : shape.elements() / shape[0];
}

Tensor Tensor::clone() const {
  if (empty()) return {};
  Tensor copy(shape_);
  std::copy_n(data(), elements(), copy.data());
  return copy;
}

Result<Tensor> to_f32(const TensorView& view) {
  if (!view.is_contiguous())
    return invalid_argument("to_f32 expected a contiguous tensor, found strides that skip elements");
  Tensor out(view.shape);
  const int64_t count = out.elements();
  float* dst = out.data();
  switch (view.dtype) {
    case DType::f32: std::memcpy(dst, view.data, view.bytes()); return out;
    case DType::bf16:
      for (int64_t i = 0; i < count; ++i) dst[i] = bf16_to_f32(view.as<uint16_t>()[i]);
      return out;
    case DType::f16:
      for (int64_t i = 0; i < count; ++i) dst[i] = f16_to_f32(view.as<uint16_t>()[i]);
      return out;
    case DType::f64:
      for (int64_t i = 0; i < count; ++i) dst[i] = static_cast<float>(view.as<double>()[i]);
      return out;
    default: break;
  }
  return invalid_argument("to_f32 expected floating-point elements, found " + std::string(to_string(view.dtype)));
}

Status check_shape(std::string_view what, const Shape& expected, const Shape& found) {
  if (expected == found) return ok_status();
  return invalid_argument(std::string(what) + " expected shape " + expected.to_string() + ", found " +
                          found.to_string());
}

}  // namespace azimuth
