#include "engine/weights.h"

#include <algorithm>

#include "base/cancel.h"
#include "engine/transforms.h"
#include "quantize/kept_wider.h"
#include "quantize/row_bits.h"

namespace azimuth::engine {
namespace {

// Counts what a model of a type holds.
class SizeReader final : public WeightReader {
 public:
  SizeReader(const WeightMap& map, kernels::WeightType type) : WeightReader(map, nullptr), type_(type) {}

  bool in_files(const std::string&) const override { return false; }
  Result<bool> equal(const std::string&, const std::string&) override { return true; }

 protected:
  Status read_tensor(const std::string& slot, Tensor& out) override {
    AZ_ASSIGN_OR_RETURN(const Shape shape, slot_shape(map_, slot));
    out = Tensor::zeros(shape);
    count(out.elements() * int64_t{sizeof(float)});
    return ok_status();
  }
  Status read_matrix(const std::string& slot, kernels::PackedMatrix&) override {
    AZ_ASSIGN_OR_RETURN(const Shape shape, slot_shape(map_, slot));
    return count_matrices(slot, 1, shape[0], shape[1]);
  }
  Status read_matrices(const std::string& slot, int64_t runs, std::vector<kernels::PackedMatrix>&) override {
    AZ_ASSIGN_OR_RETURN(const Shape shape, slot_shape(map_, slot));
    return count_matrices(slot, shape[0] * runs, shape[1] / runs, shape[2]);
  }

 private:
  Status count_matrices(const std::string& slot, int64_t matrices, int64_t outputs, int64_t inputs) {
    const size_t each = kernels::PackedMatrix::stored_size(outputs, inputs, quantize::type_of_slot(slot, type_));
    count(matrices * static_cast<int64_t>(each));
    return ok_status();
  }

  kernels::WeightType type_;
};

Shape shape_of(const WeightRule& rule) {
  if (rule.row_count == 0) return transformed(rule.shape, rule.transform);
  std::vector<int64_t> sizes = {rule.row_count};
  for (int axis = 1; axis < rule.shape.rank(); ++axis) sizes.push_back(rule.shape[axis]);
  return transformed(Shape(sizes), rule.transform);
}

}  // namespace

Result<Shape> slot_shape(const WeightMap& map, const std::string& slot) {
  const WeightRule* const rule = map.find(slot);
  if (rule == nullptr) return internal_error("no weight rule for slot " + slot);
  const Shape first = shape_of(*rule);
  if (rule->below.empty()) return first;
  int64_t rows = first[0];
  for (const WeightRule& below : rule->below) rows += shape_of(below)[0];
  std::vector<int64_t> sizes = {rows};
  for (int axis = 1; axis < first.rank(); ++axis) sizes.push_back(first[axis]);
  return Shape(sizes);
}

Status WeightReader::count_read() {
  ++tensors_read_;
  if (progress_) progress_(std::min(1.0, static_cast<double>(tensors_read_) / static_cast<double>(map_.required())));
  return CancelScope::requested() ? cancelled("loading was stopped on request") : ok_status();
}

Status WeightReader::read(const std::string& slot, Tensor& out) {
  AZ_RETURN_IF_ERROR(read_tensor(slot, out));
  return count_read();
}

Status WeightReader::read(const std::string& slot, kernels::PackedMatrix& out) {
  AZ_RETURN_IF_ERROR(read_matrix(slot, out));
  if (!out.empty()) out.set_row_bits(quantize::row_bits_of_slot(slot, out.type()));
  return count_read();
}

Status WeightReader::read(const std::string& slot, int64_t runs, std::vector<kernels::PackedMatrix>& out) {
  AZ_RETURN_IF_ERROR(read_matrices(slot, runs, out));
  return count_read();
}

Status WeightReader::read(const std::string& slot, kernels::Linear& out) {
  AZ_RETURN_IF_ERROR(read(slot + ".weight", out.weight));
  if (in_map(slot + ".bias")) AZ_RETURN_IF_ERROR(read(slot + ".bias", out.bias));
  return ok_status();
}

std::unique_ptr<WeightReader> make_size_reader(const WeightMap& map, kernels::WeightType type) {
  return std::make_unique<SizeReader>(map, type);
}

}  // namespace azimuth::engine
