// Tensors: a non-owning view {data, dtype, shape, strides} and an owner of contiguous f32 or other elements.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include "azimuth/status.h"
#include "base/pages.h"
#include "tensor/dtype.h"

namespace azimuth {

// Up to six dimensions, outermost first.
class Shape {
 public:
  static constexpr int kMaxRank = 6;

  Shape() = default;
  Shape(std::initializer_list<int64_t> dims);
  explicit Shape(const std::vector<int64_t>& dims);  // rank at most kMaxRank

  int rank() const { return rank_; }
  int64_t operator[](int axis) const { return dims_[axis]; }
  int64_t elements() const;       // 1 for rank 0
  std::string to_string() const;  // "[2, 3]"
  bool operator==(const Shape& other) const;

 private:
  std::array<int64_t, kMaxRank> dims_{};
  int rank_ = 0;
};

// Read-only elements owned by somebody else. Strides count elements.
struct TensorView {
  const std::byte* data = nullptr;
  DType dtype = DType::f32;
  Shape shape;
  std::array<int64_t, Shape::kMaxRank> strides{};

  static TensorView contiguous(const void* data, DType dtype, const Shape& shape);
  bool is_contiguous() const;
  size_t bytes() const { return static_cast<size_t>(shape.elements()) * size_of(dtype); }
  template <typename T>
  const T* as() const {
    return reinterpret_cast<const T*>(data);
  }
};

// A contiguous f32 tensor that owns its elements; memory is 64-byte aligned and NOT initialised.
class Tensor {
 public:
  Tensor() = default;
  explicit Tensor(const Shape& shape);
  static Tensor zeros(const Shape& shape);

  const Shape& shape() const { return shape_; }
  int64_t elements() const { return empty() ? 0 : shape_.elements(); }
  bool empty() const { return data() == nullptr; }
  float* data() { return reinterpret_cast<float*>(data_.data()); }
  const float* data() const { return reinterpret_cast<const float*>(data_.data()); }
  // The start of row i, where a row is everything below the first dimension.
  float* row(int64_t i) { return data() + i * row_elements_; }
  const float* row(int64_t i) const { return data() + i * row_elements_; }
  int64_t row_elements() const { return row_elements_; }
  TensorView view() const { return TensorView::contiguous(data(), DType::f32, shape_); }
  Tensor clone() const;
  // The same elements under another shape, which must have as many.
  void reshape(const Shape& shape);
  // Makes room for `shape`: in the memory that is there, where it is enough. What the elements were is lost.
  void resize(const Shape& shape);

 private:
  Shape shape_;
  int64_t row_elements_ = 0;
  int64_t capacity_ = 0;  // elements that the memory has room for
  Pages data_;
};

// Copies any floating-point view into a new f32 tensor (f16 and bf16 widen exactly, f64 rounds).
Result<Tensor> to_f32(const TensorView& view);

// invalid_argument "[what] expected shape X, found Y" unless the shapes are equal.
Status check_shape(std::string_view what, const Shape& expected, const Shape& found);

}  // namespace azimuth
