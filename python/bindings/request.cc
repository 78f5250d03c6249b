// What is asked of a model, and how its answer is drawn. Python fills these; azimuth.request says from what.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/variant.h>
#include <nanobind/stl/vector.h>

#include "azimuth/session.h"
#include "bindings.h"

namespace azimuth::python {

void bind_request(nb::module_& module) {
  nb::class_<Request>(module, "Request")
      .def(nb::init<>())
      .def_rw("messages", &Request::messages)
      .def_rw("prompt", &Request::prompt)
      .def_rw("has_prompt", &Request::has_prompt)
      .def_rw("ids", &Request::ids)
      .def_rw("has_ids", &Request::has_ids)
      .def_rw("media", &Request::media)
      .def_rw("images", &Request::images)
      .def_rw("panoramas", &Request::panoramas)
      .def_rw("videos", &Request::videos)
      .def_rw("base_directory", &Request::base_directory)
      .def_rw("processor_kwargs", &Request::processor_kwargs)
      .def_rw("template_kwargs", &Request::template_kwargs)
      .def_rw("add_generation_prompt", &Request::add_generation_prompt)
      .def_rw("positions", &Request::positions)
      .def_rw("compat", &Request::compat)
      .def_rw("position_ids", &Request::position_ids)
      .def_rw("keys", &Request::keys)
      .def_rw("frequencies", &Request::frequencies);

  nb::class_<GenerateOptions>(module, "GenerateOptions")
      .def(nb::init<>())
      .def_rw("max_new_tokens", &GenerateOptions::max_new_tokens)
      .def_rw("temperature", &GenerateOptions::temperature)
      .def_rw("top_k", &GenerateOptions::top_k)
      .def_rw("top_p", &GenerateOptions::top_p)
      .def_rw("min_p", &GenerateOptions::min_p)
      .def_rw("repetition_penalty", &GenerateOptions::repetition_penalty)
      .def_rw("presence_penalty", &GenerateOptions::presence_penalty)
      .def_rw("frequency_penalty", &GenerateOptions::frequency_penalty)
      .def_rw("seed", &GenerateOptions::seed)
      .def_rw("stop", &GenerateOptions::stop)
      .def_rw("stop_ids", &GenerateOptions::stop_ids)
      .def_rw("ignore_eos", &GenerateOptions::ignore_eos);
}

}  // namespace azimuth::python
