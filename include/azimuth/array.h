// Arrays that callers and the engine hand each other: values in C order, and who keeps them alive. Copies of an array
// share its values, which nobody writes, so that a large one goes to NumPy or to another thread without being copied.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace azimuth {

template <typename T>
struct Array {
  std::vector<int64_t> shape;
  // The first value, which keeps all of them alive; null without values. Values that the caller keeps alive have no
  // owner here: borrow_array().
  std::shared_ptr<const T> data;

  // Product of `shape`; 0 without values. A shape with a negative size, or a product beyond 2^62, counts as 0.
  int64_t elements() const {
    int64_t count = data == nullptr ? 0 : 1;
    for (const int64_t size : shape) {
      if (size <= 0 || count > (int64_t{1} << 62) / size) return 0;
      count *= size;
    }
    return count;
  }
  bool empty() const { return elements() == 0; }
  std::span<const T> values() const { return {data.get(), static_cast<size_t>(elements())}; }
};

using FloatArray = Array<float>;
using IntArray = Array<int64_t>;
using ByteArray = Array<uint8_t>;

// `values` in C order, as many as the sizes multiply to.
template <typename T>
Array<T> make_array(std::vector<int64_t> shape, std::vector<T> values) {
  auto owner = std::make_shared<const std::vector<T>>(std::move(values));
  const T* const first = owner->data();
  return {std::move(shape), std::shared_ptr<const T>(std::move(owner), first)};
}

// Values that the caller keeps alive and unchanged for as long as the array or a copy of it is used.
template <typename T>
Array<T> borrow_array(std::vector<int64_t> shape, const T* data) {
  return {std::move(shape), std::shared_ptr<const T>(std::shared_ptr<const void>(), data)};
}

}  // namespace azimuth
