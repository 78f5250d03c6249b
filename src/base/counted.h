#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace azimuth {

// "1 token", "3 tokens".
inline std::string counted(int64_t count, std::string_view noun) {
  return std::to_string(count) + " " + std::string(noun) + (count == 1 ? "" : "s");
}

}  // namespace azimuth
