// Arrays of other libraries.
#include <nanobind/ndarray.h>

#include <bit>

#include "arrays.h"
#include "bindings.h"

namespace azimuth::python {
namespace {

using AnyArray = nb::ndarray<nb::ro, nb::device::cpu>;

bool is_bfloat16(const AnyArray& array) {
  return array.dtype().code == static_cast<uint8_t>(nb::dlpack::dtype_code::Bfloat) && array.dtype().bits == 16;
}

std::vector<size_t> shape_of(const AnyArray& array) {
  std::vector<size_t> shape(array.ndim());
  for (size_t axis = 0; axis < shape.size(); ++axis) shape[axis] = array.shape(axis);
  return shape;
}

// NumPy has no bfloat16: its numbers are the upper halves of those in f32.
nb::object widened(const AnyArray& array) {
  const std::vector<size_t> shape = shape_of(array);
  std::vector<float> values(array.size());
  std::vector<size_t> at(shape.size(), 0);
  const auto* const data = static_cast<const uint16_t*>(array.data());
  for (float& value : values) {
    int64_t offset = 0;
    for (size_t axis = 0; axis < at.size(); ++axis) offset += static_cast<int64_t>(at[axis]) * array.stride(axis);
    value = std::bit_cast<float>(static_cast<uint32_t>(data[offset]) << 16);
    for (size_t axis = at.size(); axis-- > 0 && ++at[axis] == shape[axis];) at[axis] = 0;
  }
  return to_numpy(std::move(values), shape);
}

}  // namespace

void bind_arrays(nb::module_& module) {
  module.def(
      "widen_bfloat16",
      [](nb::handle object) {
        AnyArray array;
        if (!nb::try_cast(object, array) || !is_bfloat16(array)) throw nb::type_error("expected bfloat16");
        return widened(array);
      },
      nb::sig("def widen_bfloat16(array: object) -> numpy.typing.NDArray[numpy.float32]"));
}

}  // namespace azimuth::python
