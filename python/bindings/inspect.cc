// A prompt with the position of every token, without running the model.
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "arrays.h"
#include "azimuth/session.h"
#include "bindings.h"
#include "engine.h"
#include "hooks.h"
#include "json_value.h"

#include "azimuth/report.h"

namespace azimuth::python {
namespace {

PromptReport inspect(const EngineHandle& handle, Request request, nb::handle hooks) {
  Call call;
  request.hooks = engine_hooks(hooks, call.exchange());
  return run_call<PromptReport>(
      call, [engine = handle.get(), request = std::move(request)] { return inspect_prompt(*engine, request); });
}

}  // namespace

void bind_inspect(nb::module_& module) {
  nb::class_<PromptReport>(module, "PromptReport", "A prompt with the position of every token.")
      .def_prop_ro(
          "text", [](const PromptReport& report) { return text_value(report.prompt.text); },
          nb::sig("def text(self) -> str"), "The rendered template, placeholders expanded.")
      .def_prop_ro(
          "token_ids", [](const PromptReport& report) { return to_numpy(report.prompt.ids); },
          nb::sig("def token_ids(self) -> numpy.typing.NDArray[numpy.int32]"), "(tokens,) int32")
      .def_prop_ro(
          "tokens",
          [](const PromptReport& report) {
            nb::list tokens;
            for (const std::string& token : report.tokens) tokens.append(text_value(token));
            return tokens;
          },
          nb::sig("def tokens(self) -> list[str]"), "Each token as text.")
      .def_prop_ro("spans", [](const PromptReport& report) { return report.prompt.spans; })
      .def_prop_ro(
          "closed_regions",
          [](const PromptReport& report) {
            nb::list regions;
            for (const auto& [begin, end] : report.prompt.closed_regions) regions.append(nb::make_tuple(begin, end));
            return regions;
          },
          nb::sig("def closed_regions(self) -> list[tuple[int, int]]"),
          "(begin, end) of token ranges that see each other, which no chunk, cache or prefix may cut.")
      .def_ro("policy", &PromptReport::policy, "With its parameters.")
      .def_ro("positions", &PromptReport::positions)
      .def_prop_ro(
          "ids", [](nb::handle self) { return nb::object(self.attr("positions").attr("ids")); },
          nb::sig("def ids(self) -> numpy.typing.NDArray[numpy.float32]"),
          "(axes, tokens) float32: the positions of the first id set, t, h, w.")
      .def_ro("plan", &PromptReport::plan, "Of the first layer type.")
      .def_ro("plans", &PromptReport::plans, "Of each layer type, where layers turn by different frequencies.")
      .def_ro("media", &PromptReport::media, "Pictures, then videos.")
      .def(
          "to_dict", [](const PromptReport& report) { return json_value(positions_json(report)); },
          nb::sig("def to_dict(self) -> dict[str, typing.Any]"), "What `azimuth positions --json` prints.")
      .def("__repr__", [](const PromptReport& report) {
        return "PromptReport(" + std::to_string(report.prompt.ids.size()) + " tokens, " + report.policy + ")";
      });
  module.def("inspect", &inspect, nb::arg("engine"), nb::arg("request"), nb::arg("hooks").none());
}

}  // namespace azimuth::python
