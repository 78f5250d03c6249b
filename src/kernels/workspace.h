// Aligned scratch memory for the kernels.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/pages.h"

namespace azimuth::kernels {

// Uninitialised bytes on a cache line. Grows, never shrinks; growing loses the content.
class Workspace {
 public:
  template <typename T>
  T* ensure(size_t count) {
    const size_t bytes = count * sizeof(T);
    if (bytes > bytes_) {
      data_ = Pages();  // first, so that both are never held
      bytes_ = 0;
      data_.allocate(bytes);
      bytes_ = bytes;
    }
    return reinterpret_cast<T*>(data_.data());
  }
  std::byte* data() const { return data_.data(); }
  size_t bytes() const { return bytes_; }

 private:
  Pages data_;
  size_t bytes_ = 0;
};

}  // namespace azimuth::kernels
