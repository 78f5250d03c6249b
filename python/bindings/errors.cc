#include "errors.h"

namespace azimuth::python {
namespace {

const char* exception_name(StatusCode code) {
  switch (code) {
    case StatusCode::invalid_argument: return "InvalidArgument";
    case StatusCode::not_found: return "NotFound";
    case StatusCode::unsupported: return "Unsupported";
    case StatusCode::out_of_range: return "OutOfRange";
    case StatusCode::resource_exhausted: return "ResourceExhausted";
    case StatusCode::data_loss: return "DataLoss";
    case StatusCode::cancelled: return "Cancelled";
    case StatusCode::ok:
    case StatusCode::internal: break;
  }
  return "Internal";
}

// Messages may quote a file's bytes, which need not be text.
nb::object text_of(const std::string& message) {
  return nb::steal(PyUnicode_DecodeUTF8(message.data(), static_cast<Py_ssize_t>(message.size()), "replace"));
}

}  // namespace

void raise(const Status& status) {
  const nb::object type = nb::module_::import_("azimuth.errors").attr(exception_name(status.code()));
  PyErr_SetObject(type.ptr(), type(text_of(status.message())).ptr());
  throw nb::python_error();
}

}  // namespace azimuth::python
