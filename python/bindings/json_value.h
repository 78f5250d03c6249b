// Text and JSON of the engine as Python's objects.
#pragma once

#include <nanobind/nanobind.h>

#include <string>
#include <string_view>

namespace azimuth::python {

namespace nb = nanobind;

// Text that need not be UTF-8: single tokens, names of files.
inline nb::object text_value(std::string_view text) {
  return nb::steal(PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "replace"));
}

inline nb::object json_value(std::string_view text) {
  return nb::module_::import_("json").attr("loads")(text_value(text));
}

}  // namespace azimuth::python
