// Weights of a published checkpoint.
#include <algorithm>
#include <cstring>

#include "base/mmap.h"
#include "engine/transforms.h"
#include "engine/weights.h"
#include "quantize/kept_wider.h"
#include "quantize/row_bits.h"

namespace azimuth::engine {
namespace {

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

class CheckpointReader final : public WeightReader {
 public:
  CheckpointReader(const formats::Checkpoint& checkpoint, const WeightMap& map, kernels::WeightType type,
                   ThreadPool& pool, std::function<void(double)> progress, WeightSink* sink)
      : WeightReader(map, std::move(progress)), checkpoint_(checkpoint), type_(type), pool_(pool), sink_(sink) {}

  bool in_files(const std::string& slot) const override;
  Result<bool> equal(const std::string& first, const std::string& second) override;

 protected:
  Status read_tensor(const std::string& slot, Tensor& out) override;
  Status read_matrix(const std::string& slot, kernels::PackedMatrix& out) override;
  Status read_matrices(const std::string& slot, int64_t runs, std::vector<kernels::PackedMatrix>& out) override;

 private:
  struct Piece {
    TensorView mapped;  // as in the file
    Transform transform = Transform::none;
    // Whether the elements lie in the file as they do in the slot.
    bool as_stored() const { return transform != Transform::transpose && transform != Transform::transpose_last; }
  };
  // The tensors in the files that make up a slot.
  Result<std::vector<Piece>> find(const std::string& slot);
  Result<Piece> find(const WeightRule& rule);
  // The slot's elements out of the map, transformed and stacked, as one contiguous tensor; valid until the next copy.
  Result<TensorView> copy(const std::string& slot);
  // Appends `piece` to the scratch, transformed. Reading the map may fault when the file is cut short meanwhile.
  Status append(const Piece& piece, DType type, const std::string& slot);
  // Packs a matrix that lies in the files row by row, without a copy.
  Result<kernels::PackedMatrix> pack_mapped(const std::string& slot, const TensorView& matrix);
  void release(const TensorView& mapped) const { checkpoint_.release({mapped.data, mapped.bytes()}); }
  Status keep(const std::string& slot, int64_t index, int64_t matrices, kernels::PackedMatrix packed,
              std::vector<kernels::PackedMatrix>& out);

  const formats::Checkpoint& checkpoint_;
  kernels::WeightType type_;
  ThreadPool& pool_;
  WeightSink* sink_;
  std::vector<std::byte> scratch_;
};

Result<CheckpointReader::Piece> CheckpointReader::find(const WeightRule& rule) {
  for (const std::string& name : rule.names) {
    if (!checkpoint_.has(name)) continue;
    checkpoint_.prefetch(name);
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

Result<std::vector<CheckpointReader::Piece>> CheckpointReader::find(const std::string& slot) {
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

bool CheckpointReader::in_files(const std::string& slot) const {
  const WeightRule* rule = map_.find(slot);
  return rule != nullptr &&
         std::ranges::any_of(rule->names, [&](const std::string& name) { return checkpoint_.has(name); });
}

Result<bool> CheckpointReader::equal(const std::string& first, const std::string& second) {
  AZ_ASSIGN_OR_RETURN(const std::vector<Piece> first_pieces, find(first));
  AZ_ASSIGN_OR_RETURN(const std::vector<Piece> second_pieces, find(second));
  const TensorView& a = first_pieces[0].mapped;
  const TensorView& b = second_pieces[0].mapped;
  if (a.dtype != b.dtype || a.bytes() != b.bytes()) return false;
  constexpr size_t kStep = size_t{16} << 20;
  for (size_t begin = 0; begin < a.bytes(); begin += kStep) {
    const size_t bytes = std::min(kStep, a.bytes() - begin);
    bool same = false;
    AZ_RETURN_IF_ERROR(guarded_read(second, [&] { same = std::memcmp(a.data + begin, b.data + begin, bytes) == 0; }));
    if (!same) return false;
    checkpoint_.release({a.data + begin, bytes});
    checkpoint_.release({b.data + begin, bytes});
  }
  return true;
}

Status CheckpointReader::append(const Piece& piece, DType type, const std::string& slot) {
  const TensorView& mapped = piece.mapped;
  const size_t begin = scratch_.size();
  scratch_.resize(begin + mapped.bytes());
  std::byte* const out = scratch_.data() + begin;
  AZ_RETURN_IF_ERROR(guarded_read(slot, [&] { copy_transformed(mapped, piece.transform, out); }));
  if (mapped.dtype == type) return ok_status();
  // Pieces of several types meet in f32.
  AZ_ASSIGN_OR_RETURN(const Tensor wide, to_f32(TensorView::contiguous(out, mapped.dtype, mapped.shape)));
  const size_t bytes = static_cast<size_t>(wide.elements()) * sizeof(float);
  scratch_.resize(begin + bytes);
  std::memcpy(scratch_.data() + begin, wide.data(), bytes);
  return ok_status();
}

Result<TensorView> CheckpointReader::copy(const std::string& slot) {
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
    release(piece.mapped);
  }
  if (pieces.size() > 1) {
    std::vector<int64_t> stacked = {rows};
    for (int axis = 1; axis < shape.rank(); ++axis) stacked.push_back(shape[axis]);
    shape = Shape(stacked);
  }
  return TensorView::contiguous(scratch_.data(), type, shape);
}

Result<kernels::PackedMatrix> CheckpointReader::pack_mapped(const std::string& slot, const TensorView& matrix) {
  const kernels::WeightType type = quantize::type_of_slot(slot, type_);
  return kernels::PackedMatrix::pack_mapped(matrix, type, pool_, quantize::row_bits_of_slot(slot, type), slot,
                                            [this](std::span<const std::byte> used) { checkpoint_.release(used); });
}

Status CheckpointReader::read_tensor(const std::string& slot, Tensor& out) {
  AZ_ASSIGN_OR_RETURN(const TensorView view, copy(slot));
  AZ_ASSIGN_OR_RETURN(out, to_f32(view));
  count(out.elements() * int64_t{sizeof(float)});
  return sink_ == nullptr ? ok_status() : sink_->tensor(slot, out);
}

// Hands the matrix on to the sink, or keeps it.
Status CheckpointReader::keep(const std::string& slot, int64_t index, int64_t matrices, kernels::PackedMatrix packed,
                              std::vector<kernels::PackedMatrix>& out) {
  count(static_cast<int64_t>(packed.bytes()));
  if (sink_ != nullptr) return sink_->matrix(slot, index, matrices, packed);
  out.push_back(std::move(packed));
  return ok_status();
}

Status CheckpointReader::read_matrix(const std::string& slot, kernels::PackedMatrix& out) {
  AZ_ASSIGN_OR_RETURN(const std::vector<Piece> pieces, find(slot));
  kernels::PackedMatrix packed;
  if (pieces.size() == 1 && pieces[0].as_stored()) {
    const TensorView& mapped = pieces[0].mapped;
    const Shape shape = transformed(mapped.shape, pieces[0].transform);
    AZ_ASSIGN_OR_RETURN(packed, pack_mapped(slot, TensorView::contiguous(mapped.data, mapped.dtype, shape)));
    release(mapped);
  } else {
    AZ_ASSIGN_OR_RETURN(const TensorView view, copy(slot));
    const kernels::WeightType type = quantize::type_of_slot(slot, type_);
    AZ_ASSIGN_OR_RETURN(packed, kernels::PackedMatrix::pack(view, type, pool_, quantize::row_bits_of_slot(slot, type)));
  }
  std::vector<kernels::PackedMatrix> kept;
  AZ_RETURN_IF_ERROR(keep(slot, 0, 1, std::move(packed), kept));
  if (!kept.empty()) out = std::move(kept[0]);
  return ok_status();
}

// One matrix of the stack after the other, so that no more than that is copied.
Status CheckpointReader::read_matrices(const std::string& slot, int64_t runs, std::vector<kernels::PackedMatrix>& out) {
  AZ_ASSIGN_OR_RETURN(const Shape stack, slot_shape(map_, slot));
  AZ_ASSIGN_OR_RETURN(const std::vector<Piece> pieces, find(slot));
  const int64_t matrices = stack[0] * runs;
  int64_t index = 0;
  for (const Piece& piece : pieces) {
    for (int64_t i = 0; i < piece.mapped.shape[0]; ++i) {
      TensorView slice = rows_of(piece.mapped, i, 1);
      const Shape shape = transformed(slice.shape, piece.transform);  // [1, outputs, inputs]
      if (!piece.as_stored()) {
        scratch_.resize(slice.bytes());
        AZ_RETURN_IF_ERROR(guarded_read(slot, [&] { copy_transformed(slice, piece.transform, scratch_.data()); }));
        release(slice);
        slice = TensorView::contiguous(scratch_.data(), slice.dtype, shape);
      }
      const Shape matrix = {shape[1] / runs, shape[2]};
      const size_t bytes = static_cast<size_t>(matrix.elements()) * size_of(slice.dtype);
      for (int64_t run = 0; run < runs; ++run) {
        const TensorView part =
            TensorView::contiguous(slice.data + static_cast<size_t>(run) * bytes, slice.dtype, matrix);
        AZ_ASSIGN_OR_RETURN(kernels::PackedMatrix packed, pack_mapped(slot, part));
        AZ_RETURN_IF_ERROR(keep(slot, index++, matrices, std::move(packed), out));
      }
    }
    release(piece.mapped);
  }
  return ok_status();
}

}  // namespace

std::unique_ptr<WeightReader> make_checkpoint_reader(const formats::Checkpoint& checkpoint, const WeightMap& map,
                                                     kernels::WeightType type, ThreadPool& pool,
                                                     std::function<void(double)> progress, WeightSink* sink) {
  return std::make_unique<CheckpointReader>(checkpoint, map, type, pool, std::move(progress), sink);
}

}  // namespace azimuth::engine
