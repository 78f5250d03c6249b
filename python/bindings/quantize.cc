// Writing a checkpoint again with narrower weights.
#include "azimuth/quantize.h"

#include <nanobind/stl/string.h>

#include "bindings.h"
#include "call.h"

namespace azimuth::python {

void bind_quantize(nb::module_& module) {
  nb::class_<QuantizeReport>(module, "QuantizeReport", "What quantize() has written.")
      .def_ro("directory", &QuantizeReport::directory)
      .def_ro("original_bytes", &QuantizeReport::original_bytes, "Of the weight files.")
      .def_ro("bytes", &QuantizeReport::bytes);
  module.def(
      "quantize",
      [](const std::string& model, const std::string& directory, const std::string& type, int threads,
         int64_t shard_bytes, nb::handle progress) {
        Call call;
        const auto exchange = call.exchange();
        QuantizeOptions options{type, threads, shard_bytes, {}, &exchange->cancel};
        if (!progress.is_none()) {
          options.progress = [exchange, progress](double fraction) {
            (void)exchange->ask([&] { progress(fraction); });
          };
        }
        return run_call<QuantizeReport>(call, [=] { return quantize_checkpoint(model, directory, options); });
      },
      nb::arg("model"), nb::arg("directory"), nb::arg("type"), nb::arg("threads"), nb::arg("shard_bytes"),
      nb::arg("progress").none());
}

}  // namespace azimuth::python
