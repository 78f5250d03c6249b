// Element types of tensors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace azimuth {

enum class DType : uint8_t { f64, f32, f16, bf16, i64, i32, i16, i8, u8, boolean };

// Bytes of one element.
size_t size_of(DType dtype);
std::string_view to_string(DType dtype);

}  // namespace azimuth
