// Weights of a quantised directory.
#include <cstring>

#include "base/mmap.h"
#include "engine/weights.h"

namespace azimuth::engine {
namespace {

class QuantisedReader final : public WeightReader {
 public:
  QuantisedReader(std::shared_ptr<const formats::Checkpoint> checkpoint, quantize::Description description,
                  const WeightMap& map, ThreadPool& pool, std::function<void(double)> progress)
      : WeightReader(map, std::move(progress)),
        checkpoint_(std::move(checkpoint)),
        description_(std::move(description)),
        pool_(pool) {}

  bool in_files(const std::string& slot) const override { return in_map(slot) && checkpoint_->has(slot); }
  // A tied head that equals the embedding is left out when a directory is written.
  Result<bool> equal(const std::string&, const std::string&) override { return false; }

 protected:
  Status read_tensor(const std::string& slot, Tensor& out) override {
    AZ_ASSIGN_OR_RETURN(const Shape expected, slot_shape(map_, slot));
    AZ_ASSIGN_OR_RETURN(const TensorView view, find(slot));
    if (view.dtype != DType::f32) return damaged(slot, "elements of f32", to_string(view.dtype));
    if (!(view.shape == expected)) return damaged(slot, "shape " + expected.to_string(), view.shape.to_string());
    out = Tensor(view.shape);
    count(out.elements() * int64_t{sizeof(float)});
    return guarded_read(slot, [&] { std::memcpy(out.data(), view.data, view.bytes()); });
  }

  Status read_matrix(const std::string& slot, kernels::PackedMatrix& out) override {
    AZ_ASSIGN_OR_RETURN(const Shape shape, slot_shape(map_, slot));
    std::vector<kernels::PackedMatrix> one;
    AZ_RETURN_IF_ERROR(read_stack(slot, {{}, 1, shape[0], shape[1]}, one));
    out = std::move(one[0]);
    return ok_status();
  }

  Status read_matrices(const std::string& slot, int64_t runs, std::vector<kernels::PackedMatrix>& out) override {
    AZ_ASSIGN_OR_RETURN(const Shape shape, slot_shape(map_, slot));
    return read_stack(slot, {{}, shape[0] * runs, shape[1] / runs, shape[2]}, out);
  }

 private:
  Status damaged(const std::string& slot, const std::string& expected, std::string_view found) const {
    return data_loss(checkpoint_->directory() + ": " + slot + " expected " + expected + ", found " +
                     std::string(found) +
                     "; config.json and the weights do not belong together, or the directory is "
                     "damaged: quantise the original again");
  }

  Result<TensorView> find(const std::string& slot) const {
    if (checkpoint_->has(slot)) return checkpoint_->tensor(slot);
    return not_found(checkpoint_->directory() + " expected a tensor " + slot +
                     ", found none; the directory is incomplete, or config.json is of another model: quantise the "
                     "original again");
  }

  Status read_stack(const std::string& slot, const quantize::StoredMatrix& expected,
                    std::vector<kernels::PackedMatrix>& out) {
    AZ_ASSIGN_OR_RETURN(const TensorView view, find(slot));
    const auto described = description_.matrices.find(slot);
    if (described == description_.matrices.end()) return damaged(slot, "a matrix", "a tensor without a type");
    quantize::StoredMatrix stored = described->second;
    if (stored.count != expected.count || stored.outputs != expected.outputs || stored.inputs != expected.inputs) {
      quantize::StoredMatrix wanted = expected;
      wanted.type = stored.type;
      return damaged(slot, "\"" + wanted.to_string() + "\"", "\"" + stored.to_string() + "\"");
    }
    return kernels::is_quantised(stored.type) ? adopt(slot, view, stored, out) : pack(slot, view, stored, out);
  }

  Status adopt(const std::string& slot, const TensorView& view, const quantize::StoredMatrix& stored,
               std::vector<kernels::PackedMatrix>& out) {
    const size_t each = kernels::PackedMatrix::stored_size(stored.outputs, stored.inputs, stored.type);
    if (view.bytes() != each * static_cast<size_t>(stored.count)) {
      return damaged(slot, std::to_string(each * static_cast<size_t>(stored.count)) + " bytes",
                     std::to_string(view.bytes()));
    }
    for (int64_t i = 0; i < stored.count; ++i) {
      const std::span bytes(view.data + static_cast<size_t>(i) * each, each);
      auto matrix = kernels::PackedMatrix::adopt(stored.outputs, stored.inputs, stored.type, bytes, checkpoint_);
      if (!matrix.ok()) return matrix.status().with_context(slot);
      out.push_back(std::move(*matrix));
      count(static_cast<int64_t>(each));
    }
    return ok_status();
  }

  // Few and small: what is not quantised is packed for the machine.
  Status pack(const std::string& slot, const TensorView& view, const quantize::StoredMatrix& stored,
              std::vector<kernels::PackedMatrix>& out) {
    const DType dtype = stored.type == kernels::WeightType::f32 ? DType::f32 : DType::bf16;
    const Shape expected = {stored.count, stored.outputs, stored.inputs};
    if (view.dtype != dtype)
      return damaged(slot, "elements of " + std::string(to_string(dtype)), to_string(view.dtype));
    if (!(view.shape == expected)) return damaged(slot, "shape " + expected.to_string(), view.shape.to_string());
    const Shape matrix = {stored.outputs, stored.inputs};
    const size_t bytes = static_cast<size_t>(matrix.elements()) * size_of(dtype);
    for (int64_t i = 0; i < stored.count; ++i) {
      const TensorView part = TensorView::contiguous(view.data + static_cast<size_t>(i) * bytes, dtype, matrix);
      AZ_ASSIGN_OR_RETURN(
          kernels::PackedMatrix packed,
          kernels::PackedMatrix::pack_mapped(part, stored.type, pool_, kernels::RowBits::eight, slot, [](auto) {}));
      count(static_cast<int64_t>(packed.bytes()));
      out.push_back(std::move(packed));
    }
    return ok_status();
  }

  std::shared_ptr<const formats::Checkpoint> checkpoint_;
  quantize::Description description_;
  ThreadPool& pool_;
};

}  // namespace

std::unique_ptr<WeightReader> make_quantised_reader(std::shared_ptr<const formats::Checkpoint> checkpoint,
                                                    quantize::Description description, const WeightMap& map,
                                                    ThreadPool& pool, std::function<void(double)> progress) {
  return std::make_unique<QuantisedReader>(std::move(checkpoint), std::move(description), map, pool,
                                           std::move(progress));
}

}  // namespace azimuth::engine
