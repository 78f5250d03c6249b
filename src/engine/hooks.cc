#include "engine/hooks.h"

namespace azimuth::engine {
namespace {

std::vector<int64_t> dimensions(const Shape& shape) {
  std::vector<int64_t> out;
  for (int axis = 0; axis < shape.rank(); ++axis) out.push_back(shape[axis]);
  return out;
}

}  // namespace

HookTaps::HookTaps(const Hooks& hooks) : hooks_(hooks) {
  if (!hooks.on_read) return;
  tap_ = [&hooks](const TapPoint& point, const TensorView& tensor) {
    hooks.on_read(point,
                  {{tensor.as<float>(), static_cast<size_t>(tensor.shape.elements())}, dimensions(tensor.shape)});
  };
}

void HookTaps::attach(RunContext& context) const {
  context.hooks = &hooks_;
  if (tap_) context.tap = &tap_;
}

Status pass_tensor(const RunContext& context, const TapPoint& point, Tensor& tensor, bool shown) {
  if (context.tap != nullptr && !shown) (*context.tap)(point, tensor.view());
  if (context.hooks == nullptr || !context.hooks->on_write) return ok_status();
  WriteTensor writable{{tensor.data(), static_cast<size_t>(tensor.elements())}, dimensions(tensor.shape())};
  return context.hooks->on_write(point, writable);
}

}  // namespace azimuth::engine
