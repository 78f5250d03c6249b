// Memory of matrices and tensors: large ones on huge pages where the system gives them, so that streaming through them
// misses fewer translations and fewer faults stand at their first use.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

namespace azimuth {

// Uninitialised or zero bytes on a cache line.
class Pages {
 public:
  Pages() = default;
  Pages(Pages&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), mapped_(std::exchange(other.mapped_, 0)) {}
  Pages& operator=(Pages&& other) noexcept {
    Pages taken(std::move(other));
    std::swap(data_, taken.data_);
    std::swap(mapped_, taken.mapped_);
    return *this;
  }
  ~Pages();

  bool try_allocate(size_t bytes);  // once; false where there is no memory
  void allocate(size_t bytes);      // the same; throws std::bad_alloc
  std::byte* data() const { return data_; }

 private:
  std::byte* data_ = nullptr;
  size_t mapped_ = 0;  // bytes of a map; 0: from the heap
};

}  // namespace azimuth
