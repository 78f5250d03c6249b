// Every stage's numbers for one batch.
#include "azimuth/trace.h"

#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "bindings.h"
#include "engine.h"
#include "hooks.h"
#include "json_value.h"

namespace azimuth::python {

void bind_trace(nb::module_& module) {
  module.def(
      "trace",
      [](const EngineHandle& handle, const std::string& request, const std::string& base_directory,
         const std::string& npy_directory, std::vector<PositionIds> position_ids, nb::handle hooks) {
        Call call;
        TraceOptions options;
        options.base_directory = base_directory;
        options.npy_directory = npy_directory;
        options.position_ids = std::move(position_ids);
        options.hooks = engine_hooks(hooks, call.exchange());
        options.cancel = &call.exchange()->cancel;
        const auto work = [engine = handle.get(), request, options] { return trace(*engine, request, options); };
        return json_value(run_call<std::string>(call, work));
      },
      nb::arg("engine"), nb::arg("request"), nb::arg("base_directory"), nb::arg("npy_directory"),
      nb::arg("position_ids"), nb::arg("hooks").none(),
      nb::sig("def trace(engine: Engine, request: str, base_directory: str, npy_directory: str, position_ids: "
              "list[PositionIds], hooks: object | None) -> dict[str, typing.Any]"));
}

}  // namespace azimuth::python
