// Any bytes as the shape and the numbers of a product with quantised weights: every level of this processor computes
// the same bits as the plain one, from weights that it quantised itself.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "kernels/kernels.h"

namespace {

using namespace azimuth;
using namespace azimuth::kernels;

// Numbers one after the other out of a few bytes, which come again when they are used up; whatever a float can be is
// among them.
class Numbers {
 public:
  Numbers(const uint8_t* data, size_t size) : data_(data), size_(size) {}
  uint32_t next() {
    uint32_t value = static_cast<uint32_t>(at_) * 2654435761u;
    for (int i = 0; i < 4; ++i, ++at_) value = value << 8 ^ value >> 24 ^ data_[at_ % size_];
    return value;
  }
  std::vector<float> floats(int64_t count, bool wild) {
    std::vector<float> values(static_cast<size_t>(count));
    for (float& value : values) {
      const uint32_t bits = next();
      if (wild && bits % 61 == 0) {
        std::memcpy(&value, &bits, sizeof value);
      } else {
        value = static_cast<float>(static_cast<int32_t>(bits) >> 8) * 0x1p-22f;
      }
    }
    return values;
  }

 private:
  const uint8_t* data_;
  size_t size_;
  size_t at_ = 0;
};

bool same(const std::vector<float>& a, const std::vector<float>& b) {
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i] != a[i] && b[i] != b[i]) continue;  // whichever NaN
    if (std::memcmp(&a[i], &b[i], sizeof(float)) != 0) return false;
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 8) return 0;
  Numbers numbers(data, size);
  const int64_t rows = 1 + data[0] % 40, inputs = data[1] + 256 * (data[2] % 4), outputs = 1 + data[3] % 80;
  const WeightType type = data[4] % 2 == 0 ? WeightType::q8 : WeightType::q4;
  const std::vector<float> weights = numbers.floats(outputs * inputs, data[5] % 4 == 0);
  const std::vector<float> x = numbers.floats(rows * inputs, data[6] % 4 == 0);
  ThreadPool pool(1);
  std::vector<float> first;
  std::vector<std::byte> first_bytes;
  for (const CpuLevel level : available_levels()) {
    if (!force_level(level).ok()) std::abort();
    const auto packed =
        PackedMatrix::pack(TensorView::contiguous(weights.data(), DType::f32, Shape{outputs, inputs}), type, pool);
    if (!packed.ok()) std::abort();
    std::vector<float> y(static_cast<size_t>(rows * outputs));
    matmul(*packed, x.data(), rows, inputs, nullptr, y.data(), outputs, pool);
    const std::vector<std::byte> bytes(packed->stored().begin(), packed->stored().end());
    if (level == CpuLevel::generic) {
      first = y;
      first_bytes = bytes;
    } else if (bytes != first_bytes || !same(y, first)) {
      std::abort();
    }
  }
  return 0;
}
