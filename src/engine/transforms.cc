#include "engine/transforms.h"

#include <algorithm>
#include <cstring>

namespace azimuth::engine {
namespace {

// [rows, columns] -> [columns, rows], block by block, so that what is read and what is written stays in the cache.
template <size_t kBytes>
void transpose_matrix(const std::byte* in, int64_t rows, int64_t columns, std::byte* out) {
  constexpr int64_t kSide = 32;
  for (int64_t top = 0; top < rows; top += kSide) {
    const int64_t bottom = std::min(top + kSide, rows);
    for (int64_t left = 0; left < columns; left += kSide) {
      const int64_t right = std::min(left + kSide, columns);
      for (int64_t column = left; column < right; ++column) {
        for (int64_t row = top; row < bottom; ++row) {
          std::memcpy(out + static_cast<size_t>(column * rows + row) * kBytes,
                      in + static_cast<size_t>(row * columns + column) * kBytes, kBytes);
        }
      }
    }
  }
}

// Elements of `element` bytes: [matrices, rows, columns] -> [matrices, columns, rows]
void transpose(const std::byte* in, int64_t matrices, int64_t rows, int64_t columns, size_t element, std::byte* out) {
  const size_t bytes = static_cast<size_t>(rows * columns) * element;
  for (int64_t matrix = 0; matrix < matrices; ++matrix, in += bytes, out += bytes) {
    switch (element) {
      case 1: transpose_matrix<1>(in, rows, columns, out); break;
      case 2: transpose_matrix<2>(in, rows, columns, out); break;
      case 4: transpose_matrix<4>(in, rows, columns, out); break;
      default: transpose_matrix<8>(in, rows, columns, out); break;
    }
  }
}

}  // namespace

Shape transformed(const Shape& shape, Transform transform) {
  switch (transform) {
    case Transform::none: return shape;
    case Transform::flatten: return Shape({shape[0], shape[0] == 0 ? 0 : shape.elements() / shape[0]});
    case Transform::drop_first: return Shape({shape[1], shape[2]});
    case Transform::transpose: return Shape({shape[0] == 0 ? 0 : shape.elements() / shape[0], shape[0]});
    case Transform::transpose_last: return Shape({shape[0], shape[2], shape[1]});
  }
  return shape;
}

void copy_transformed(const TensorView& tensor, Transform transform, std::byte* out) {
  const Shape& shape = tensor.shape;
  const size_t element = shape.elements() == 0 ? 0 : tensor.bytes() / static_cast<size_t>(shape.elements());
  switch (transform) {
    case Transform::none:
    case Transform::drop_first:
    case Transform::flatten: std::memcpy(out, tensor.data, tensor.bytes()); break;
    case Transform::transpose:
      transpose(tensor.data, 1, shape[0], shape[0] == 0 ? 0 : shape.elements() / shape[0], element, out);
      break;
    case Transform::transpose_last: transpose(tensor.data, shape[0], shape[1], shape[2], element, out); break;
  }
}

}  // namespace azimuth::engine
