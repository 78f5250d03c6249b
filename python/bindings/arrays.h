// NumPy arrays out of and into the engine.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "azimuth/array.h"
#include "azimuth/status.h"
#include "errors.h"

namespace azimuth::python {

namespace nb = nanobind;

// An array that owns `values`, which are not copied. `shape` in C order, as many as there are values.
template <typename T>
nb::object to_numpy(std::vector<T> values, const std::vector<size_t>& shape) {
  auto* const owned = new std::vector<T>(std::move(values));
  const nb::capsule owner(owned, [](void* vector) noexcept { delete static_cast<std::vector<T>*>(vector); });
  return nb::cast(nb::ndarray<nb::numpy, T>(owned->data(), shape.size(), shape.data(), owner));
}
template <typename T>
nb::object to_numpy(std::vector<T> values) {
  const size_t count = values.size();
  return to_numpy(std::move(values), {count});
}
template <typename T>
nb::object copy_to_numpy(std::span<const T> values, const std::vector<size_t>& shape) {
  return to_numpy(std::vector<T>(values.begin(), values.end()), shape);
}

// The array's values in C order as f32. `what` starts the sentence for anything that is no array of numbers.
inline std::vector<float> floats_of(nb::handle array, const char* what, std::vector<size_t>& shape) {
  nb::ndarray<const float, nb::c_contig, nb::device::cpu> values;
  if (!nb::try_cast(array, values)) {
    const std::string found = nb::cast<std::string>(nb::str(array.type().attr("__name__")));
    raise(invalid_argument(std::string(what) + " expected an array of numbers in the computer's memory, found " +
                           found + "; numpy.asarray(x, dtype=numpy.float32) makes one of most things"));
  }
  shape.assign(values.ndim(), 0);
  for (size_t i = 0; i < shape.size(); ++i) shape[i] = values.shape(i);
  return {values.data(), values.data() + values.size()};
}

// The array's values in C order, as the engine takes them: copied, since it may still read them when nobody in Python
// does. Numbers of other types are converted.
template <typename T>
Array<T> array_of(nb::handle array, const char* what) {
  nb::ndarray<const T, nb::c_contig, nb::device::cpu> values;
  if (!nb::try_cast(array, values)) {
    const std::string found = nb::cast<std::string>(nb::str(array.type().attr("__name__")));
    raise(
        invalid_argument(std::string(what) + " expected an array of numbers in the computer's memory, found " + found));
  }
  std::vector<int64_t> shape(values.ndim());
  for (size_t i = 0; i < shape.size(); ++i) shape[i] = static_cast<int64_t>(values.shape(i));
  return make_array(std::move(shape), std::vector<T>(values.data(), values.data() + values.size()));
}

// Keeps `array` alive for one in Python. What the engine left out has no values, and one axis of none in Python.
template <typename T, typename View>
nb::object owned_view(Array<T> array) {
  if (array.data == nullptr) return to_numpy(std::vector<T>());
  const std::vector<size_t> shape(array.shape.begin(), array.shape.end());
  auto* const kept = new Array<T>(std::move(array));
  const nb::capsule owner(kept, [](void* pointer) noexcept { delete static_cast<Array<T>*>(pointer); });
  return nb::cast(nb::ndarray<nb::numpy, View>(const_cast<T*>(kept->data.get()), shape.size(), shape.data(), owner));
}

// An array of the engine, whose values are not copied. It can be written where nobody else has it.
template <typename T>
nb::object view_of(const Array<T>& array) {
  return owned_view<T, const T>(array);
}
template <typename T>
nb::object taken_from(Array<T>&& array) {
  if (array.data.use_count() > 1) return view_of(array);
  return owned_view<T, T>(std::move(array));
}
template <typename T>
nb::list views_of(const std::vector<Array<T>>& arrays) {
  nb::list views;
  for (const Array<T>& array : arrays) views.append(view_of(array));
  return views;
}

inline std::string shape_text(const std::vector<size_t>& shape) {
  std::string text = "(";
  for (size_t i = 0; i < shape.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  return text + (shape.size() == 1 ? ",)" : ")");
}

}  // namespace azimuth::python
