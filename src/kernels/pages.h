// Memory of a large matrix: on huge pages where the system gives them, so that streaming through it misses fewer
// translations and fewer faults stand at its first use.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

namespace azimuth::kernels {

// Uninitialised or zero bytes on a cache line.
class Pages {
 public:
  Pages() = default;
  Pages(Pages&& other) noexcept { swap(other); }
  Pages& operator=(Pages&& other) noexcept {
    swap(other);
    return *this;
  }
  ~Pages();

  bool try_allocate(size_t bytes);  // once; false where there is no memory
  std::byte* data() const { return data_; }

 private:
  void swap(Pages& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(mapped_, other.mapped_);
  }

  std::byte* data_ = nullptr;
  size_t mapped_ = 0;  // bytes of a map; 0: from the heap
};

}  // namespace azimuth::kernels
