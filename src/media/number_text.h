// Numbers as people write them, for error messages.
#pragma once

#include <cstdio>
#include <string>

namespace azimuth::media {

// 45 as "45", not as std::to_string's "45.000000".
inline std::string number_text(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

}  // namespace azimuth::media
