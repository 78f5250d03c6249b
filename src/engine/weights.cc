#include "engine/weights.h"

#include <algorithm>
#include <cstring>

#include "base/mmap.h"

namespace azimuth::engine {
namespace {

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

// Rows [first, first + count) of a tensor that lies contiguously in a file.
TensorView rows_of(const TensorView& tensor, int64_t first, int64_t count) {
  std::vector<int64_t> sizes = {count};
  for (int axis = 1; axis < tensor.shape.rank(); ++axis) sizes.push_back(tensor.shape[axis]);
  const size_t row_bytes = tensor.bytes() / static_cast<size_t>(tensor.shape[0]);
  return TensorView::contiguous(tensor.data + static_cast<size_t>(first) * row_bytes, tensor.dtype, Shape(sizes));
}

Status missing(const WeightRule& rule) {
  std::string names;
  for (const std::string& name : rule.names) names += (names.empty() ? "" : " or ") + name;
  return not_found("the checkpoint lacks tensor " + names + " of shape " + rule.shape.to_string() +
                   "; it is incomplete, or of another architecture than its config.json says");
}

}  // namespace

Result<WeightReader::Piece> WeightReader::find(const WeightRule& rule) {
  for (const std::string& name : rule.names) {
    if (!checkpoint_.has(name)) continue;
    AZ_ASSIGN_OR_RETURN(const TensorView view, checkpoint_.tensor(name));
    const bool other = rule.other_shape.rank() > 0 && view.shape == rule.other_shape;
    if (other && !(view.shape == rule.shape)) return Piece{view, rule.other_transform};
    if (Status status = check_shape("tensor " + name, rule.shape, view.shape); !status.ok()) {
      return Status(status.code(), status.message() + "; config.json and the weights do not belong together");
    }
    return Piece{rule.row_count == 0 ? view : rows_of(view, rule.first_row, rule.row_count), rule.transform};
  }
  return missing(rule);
}

Result<std::vector<WeightReader::Piece>> WeightReader::find(const std::string& slot) {
  const WeightRule* rule = map_.find(slot);
  if (rule == nullptr) return internal_error("no weight rule for slot " + slot);
  std::vector<Piece> pieces;
  AZ_ASSIGN_OR_RETURN(Piece first, find(*rule));
  pieces.push_back(std::move(first));
  for (const WeightRule& below : rule->below) {
    AZ_ASSIGN_OR_RETURN(Piece piece, find(below));
    pieces.push_back(std::move(piece));
  }
  return pieces;
}

bool WeightReader::in_files(const std::string& slot) const {
  const WeightRule* rule = map_.find(slot);
  return rule != nullptr &&
         std::ranges::any_of(rule->names, [&](const std::string& name) { return checkpoint_.has(name); });
}

Result<bool> WeightReader::equal(const std::string& first, const std::string& second) {
  AZ_ASSIGN_OR_RETURN(const std::vector<Piece> first_pieces, find(first));
  AZ_ASSIGN_OR_RETURN(const std::vector<Piece> second_pieces, find(second));
  const TensorView& a = first_pieces[0].mapped;
  const TensorView& b = second_pieces[0].mapped;
  if (a.dtype != b.dtype || a.bytes() != b.bytes()) return false;
  bool same = false;
  AZ_RETURN_IF_ERROR(guarded_read(second, [&] { same = std::memcmp(a.data, b.data, a.bytes()) == 0; }));
  return same;
}

Status WeightReader::append(const Piece& piece, DType type, const std::string& slot) {
  const TensorView& mapped = piece.mapped;
  const size_t begin = scratch_.size();
  scratch_.resize(begin + mapped.bytes());
  std::byte* const out = scratch_.data() + begin;
  const Shape& shape = mapped.shape;
  AZ_RETURN_IF_ERROR(guarded_read(slot, [&] {
    const size_t element = shape.elements() == 0 ? 0 : mapped.bytes() / static_cast<size_t>(shape.elements());
    switch (piece.transform) {
      case Transform::none:
      case Transform::drop_first:
      case Transform::flatten: std::memcpy(out, mapped.data, mapped.bytes()); break;
      case Transform::transpose:
        transpose(mapped.data, 1, shape[0], shape[0] == 0 ? 0 : shape.elements() / shape[0], element, out);
        break;
      case Transform::transpose_last: transpose(mapped.data, shape[0], shape[1], shape[2], element, out); break;
    }
  }));
  if (mapped.dtype == type) return ok_status();
  // Pieces of several types meet in f32.
  AZ_ASSIGN_OR_RETURN(const Tensor wide, to_f32(TensorView::contiguous(out, mapped.dtype, shape)));
  const size_t bytes = static_cast<size_t>(wide.elements()) * sizeof(float);
  scratch_.resize(begin + bytes);
  std::memcpy(scratch_.data() + begin, wide.data(), bytes);
  return ok_status();
}

Result<TensorView> WeightReader::copy(const std::string& slot) {
  AZ_ASSIGN_OR_RETURN(const std::vector<Piece> pieces, find(slot));
  DType type = pieces[0].mapped.dtype;
  for (const Piece& piece : pieces) {
    if (piece.mapped.dtype != type) type = DType::f32;
  }
  scratch_.clear();
  Shape shape = transformed(pieces[0].mapped.shape, pieces[0].transform);
  int64_t rows = 0;
  for (const Piece& piece : pieces) {
    rows += transformed(piece.mapped.shape, piece.transform)[0];
    AZ_RETURN_IF_ERROR(append(piece, type, slot));
  }
  if (pieces.size() > 1) {
    std::vector<int64_t> stacked = {rows};
    for (int axis = 1; axis < shape.rank(); ++axis) stacked.push_back(shape[axis]);
    shape = Shape(stacked);
  }
  return TensorView::contiguous(scratch_.data(), type, shape);
}

void WeightReader::count_read() {
  ++tensors_read_;
  if (progress_) progress_(std::min(1.0, static_cast<double>(tensors_read_) / static_cast<double>(map_.required())));
}

Status WeightReader::read(const std::string& slot, Tensor& out) {
  AZ_ASSIGN_OR_RETURN(const TensorView view, copy(slot));
  AZ_ASSIGN_OR_RETURN(out, to_f32(view));
  count_read();
  return ok_status();
}

Status WeightReader::read(const std::string& slot, kernels::PackedMatrix& out) {
  AZ_ASSIGN_OR_RETURN(const TensorView view, copy(slot));
  AZ_ASSIGN_OR_RETURN(out, kernels::PackedMatrix::pack(view, type_, pool_));
  count_read();
  return ok_status();
}

Status WeightReader::read(const std::string& slot, int64_t runs, std::vector<kernels::PackedMatrix>& out) {
  AZ_ASSIGN_OR_RETURN(const TensorView view, copy(slot));
  const Shape matrix = {view.shape[1] / runs, view.shape[2]};
  const size_t bytes = static_cast<size_t>(matrix.elements()) * size_of(view.dtype);
  for (int64_t i = 0; i < view.shape[0] * runs; ++i) {
    const TensorView part = TensorView::contiguous(view.data + static_cast<size_t>(i) * bytes, view.dtype, matrix);
    AZ_ASSIGN_OR_RETURN(kernels::PackedMatrix packed, kernels::PackedMatrix::pack(part, type_, pool_));
    out.push_back(std::move(packed));
  }
  count_read();
  return ok_status();
}

Status WeightReader::read(const std::string& slot, kernels::Linear& out) {
  AZ_RETURN_IF_ERROR(read(slot + ".weight", out.weight));
  if (in_map(slot + ".bias")) AZ_RETURN_IF_ERROR(read(slot + ".bias", out.bias));
  return ok_status();
}

}  // namespace azimuth::engine
