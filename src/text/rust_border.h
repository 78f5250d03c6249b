// Helpers around the C interface of the Rust crate: ownership of what it returns, and its errors as Status.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "azimuth/status.h"
#include "azimuth_text.h"

namespace azimuth::text {

inline az_slice as_slice(std::string_view text) {
  return {text.data(), text.size()};
}

inline std::string take_string(az_bytes bytes) {
  std::string text(bytes.data, bytes.size);
  az_bytes_free(bytes);
  return text;
}

// A call of the crate: returns 0, or 1 and a sentence in the az_bytes that it is given.
template <typename Call>
Status call_rust(Call&& call) {
  az_bytes error{nullptr, 0};
  if (call(&error) == 0) return ok_status();
  return invalid_argument(take_string(error));
}

}  // namespace azimuth::text
