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
  }
  return shape;
}

Status missing(const WeightRule& rule) {
  std::string names;
  for (const std::string& name : rule.names) names += (names.empty() ? "" : " or ") + name;
  return not_found("the checkpoint lacks tensor " + names + " of shape " + rule.shape.to_string() +
                   "; it is incomplete, or of another architecture than its config.json says");
}

}  // namespace

Result<TensorView> WeightReader::find(const std::string& slot) {
  const WeightRule* rule = map_.find(slot);
  if (rule == nullptr) return internal_error("no weight rule for slot " + slot);
  for (const std::string& name : rule->names) {
    if (!checkpoint_.has(name)) continue;
    AZ_ASSIGN_OR_RETURN(TensorView view, checkpoint_.tensor(name));
    if (Status status = check_shape("tensor " + name, rule->shape, view.shape); !status.ok()) {
      return Status(status.code(), status.message() + "; config.json and the weights do not belong together");
    }
    return TensorView::contiguous(view.data, view.dtype, transformed(view.shape, rule->transform));
  }
  return missing(*rule);
}

bool WeightReader::in_files(const std::string& slot) const {
  const WeightRule* rule = map_.find(slot);
  return rule != nullptr &&
         std::ranges::any_of(rule->names, [&](const std::string& name) { return checkpoint_.has(name); });
}

Result<bool> WeightReader::equal(const std::string& first, const std::string& second) {
  AZ_ASSIGN_OR_RETURN(const TensorView a, find(first));
  AZ_ASSIGN_OR_RETURN(const TensorView b, find(second));
  if (a.dtype != b.dtype || a.bytes() != b.bytes()) return false;
  bool same = false;
  AZ_RETURN_IF_ERROR(guarded_read(second, [&] { same = std::memcmp(a.data, b.data, a.bytes()) == 0; }));
  return same;
}

Result<TensorView> WeightReader::copy(const TensorView& mapped, const std::string& slot) {
  scratch_.resize(mapped.bytes());
  AZ_RETURN_IF_ERROR(guarded_read(slot, [&] { std::memcpy(scratch_.data(), mapped.data, mapped.bytes()); }));
  return TensorView::contiguous(scratch_.data(), mapped.dtype, mapped.shape);
}

void WeightReader::count_read() {
  ++tensors_read_;
  if (progress_) progress_(std::min(1.0, static_cast<double>(tensors_read_) / static_cast<double>(map_.required())));
}

Status WeightReader::read(const std::string& slot, Tensor& out) {
  AZ_ASSIGN_OR_RETURN(const TensorView mapped, find(slot));
  AZ_ASSIGN_OR_RETURN(const TensorView view, copy(mapped, slot));
  AZ_ASSIGN_OR_RETURN(out, to_f32(view));
  count_read();
  return ok_status();
}

Status WeightReader::read(const std::string& slot, kernels::PackedMatrix& out) {
  AZ_ASSIGN_OR_RETURN(const TensorView mapped, find(slot));
  AZ_ASSIGN_OR_RETURN(const TensorView view, copy(mapped, slot));
  AZ_ASSIGN_OR_RETURN(out, kernels::PackedMatrix::pack(view, type_, pool_));
  count_read();
  return ok_status();
}

Status WeightReader::read(const std::string& slot, kernels::Linear& out) {
  AZ_RETURN_IF_ERROR(read(slot + ".weight", out.weight));
  if (in_map(slot + ".bias")) AZ_RETURN_IF_ERROR(read(slot + ".bias", out.bias));
  return ok_status();
}

}  // namespace azimuth::engine
