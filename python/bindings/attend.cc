// Where a model looks.
#include "azimuth/attend.h"

#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "arrays.h"
#include "azimuth/report.h"
#include "bindings.h"
#include "engine.h"
#include "hooks.h"
#include "json_value.h"

namespace azimuth::python {
namespace {

AttendReport attend_to(const EngineHandle& handle, Request request, nb::handle hooks,
                       const std::vector<int64_t>& queries, int64_t generated) {
  Call call;
  request.hooks = engine_hooks(hooks, call.exchange());
  const AttendOptions options{queries, generated, &call.exchange()->cancel};
  return run_call<AttendReport>(call, [engine = handle.get(), request = std::move(request), options,
                                       exchange = call.exchange()] { return attend(*engine, request, options); });
}

}  // namespace

void bind_attend(nb::module_& module) {
  nb::class_<LayerAttention>(module, "LayerAttention", "What one query token sees in one layer.")
      .def_ro("heads", &LayerAttention::heads)
      .def_prop_ro(
          "visual_share", [](const LayerAttention& layer) { return to_numpy(layer.visual_share); },
          nb::sig("def visual_share(self) -> numpy.typing.NDArray[numpy.float32]"),
          "(heads,) float32: the part of each head's attention that lies on pictures and videos.")
      .def_prop_ro(
          "visual",
          [](const LayerAttention& layer) {
            const auto heads = static_cast<size_t>(layer.heads);
            return to_numpy(layer.visual, {heads, heads == 0 ? 0 : layer.visual.size() / heads});
          },
          nb::sig("def visual(self) -> numpy.typing.NDArray[numpy.float32]"),
          "(heads, visual tokens) float32, tokens as in AttendReport.visual_tokens.")
      .def_prop_ro(
          "mean", [](const LayerAttention& layer) { return to_numpy(layer.mean); },
          nb::sig("def mean(self) -> numpy.typing.NDArray[numpy.float32]"),
          "(keys,) float32, mean over heads; keys are all tokens up to the query.");
  nb::class_<AttendQuery>(module, "AttendQuery")
      .def_ro("token", &AttendQuery::token, "Index in the prompt; from its length on: generated tokens.")
      .def_ro("layers", &AttendQuery::layers);
  nb::class_<AttentionSink>(module, "AttentionSink", "The tokens that a layer looks at most, whatever it reads.")
      .def_ro("token", &AttentionSink::token)
      .def_ro("weight", &AttentionSink::weight)
      .def_ro("visual_token", &AttentionSink::visual_token, "-1 where there is none.")
      .def_ro("visual_weight", &AttentionSink::visual_weight);
  nb::class_<AttendReport>(module, "AttendReport", "The attention of chosen tokens. Weights of a head add up to one.")
      .def_ro("prompt", &AttendReport::prompt)
      .def_prop_ro(
          "generated_ids", [](const AttendReport& report) { return to_numpy(report.generated_ids); },
          nb::sig("def generated_ids(self) -> numpy.typing.NDArray[numpy.int32]"))
      .def_ro("visual_tokens", &AttendReport::visual_tokens, "Indices of the tokens of pictures and videos.")
      .def_ro("queries", &AttendReport::queries)
      .def_ro("sinks", &AttendReport::sinks, "Of each layer.")
      .def(
          "to_dict", [](const AttendReport& report) { return json_value(attend_json(report)); },
          nb::sig("def to_dict(self) -> dict[str, typing.Any]"), "What `azimuth attend --json` prints.")
      .def("__repr__", [](const AttendReport& report) {
        return "AttendReport(" + std::to_string(report.queries.size()) + " queries, " +
               std::to_string(report.sinks.size()) + " layers)";
      });
  module.def("attend", &attend_to, nb::arg("engine"), nb::arg("request"), nb::arg("hooks").none(), nb::arg("queries"),
             nb::arg("generated"));
}

}  // namespace azimuth::python
