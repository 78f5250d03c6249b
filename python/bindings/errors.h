// A Status becomes the exception of its code (azimuth.errors), with the same sentence.
#pragma once

#include <nanobind/nanobind.h>

#include <utility>

#include "azimuth/status.h"

namespace azimuth::python {

namespace nb = nanobind;

[[noreturn]] void raise(const Status& status);

inline void check(const Status& status) {
  if (!status.ok()) raise(status);
}

template <typename T>
T unwrap(Result<T> result) {
  if (!result.ok()) raise(result.status());
  return std::move(result).value();
}

}  // namespace azimuth::python
