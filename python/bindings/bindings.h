// The parts of the extension module azimuth._core, one file each. They bind include/azimuth as it is; what makes it
// pleasant in Python (one request from many forms, keyword arguments, docstrings) is python/src/azimuth.
#pragma once

#include <nanobind/nanobind.h>

namespace azimuth::python {

namespace nb = nanobind;

void bind_arrays(nb::module_& module);
void bind_attend(nb::module_& module);
void bind_engine(nb::module_& module);
void bind_features(nb::module_& module);
void bind_forward(nb::module_& module);
void bind_hooks(nb::module_& module);
void bind_inspect(nb::module_& module);
void bind_lint(nb::module_& module);
void bind_log(nb::module_& module);
void bind_media(nb::module_& module);
void bind_policies(nb::module_& module);
void bind_positions(nb::module_& module);
void bind_prompt(nb::module_& module);
void bind_quantize(nb::module_& module);
void bind_report(nb::module_& module);
void bind_request(nb::module_& module);
void bind_score(nb::module_& module);
void bind_session(nb::module_& module);
void bind_tokenizer(nb::module_& module);
void bind_trace(nb::module_& module);

}  // namespace azimuth::python
