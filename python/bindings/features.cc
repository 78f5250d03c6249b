// What the stages in front of the decoder make of requests: the processor's arrays, the tower's features.
#include "azimuth/features.h"

#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "arrays.h"
#include "bindings.h"
#include "engine.h"
#include "hooks.h"

namespace azimuth::python {
namespace {

nb::object rows_of(const NamedRows& rows) {
  nb::list lists;
  for (const std::vector<int32_t>& row : rows.rows) lists.append(to_numpy(row));
  return lists;
}

// {"input_ids": [arrays (tokens,) of each sample], "pixel_values": array, ..., "prompts": [texts]}
nb::dict processed(const EngineHandle& handle, std::vector<Request> samples) {
  Call call;
  ProcessorArrays arrays = run_call<ProcessorArrays>(
      call, [engine = handle.get(), samples = std::move(samples)] { return processor_arrays(*engine, samples); });
  nb::dict out;
  out["prompts"] = nb::cast(arrays.prompts);
  for (const NamedRows& rows : arrays.tokens) out[rows.name.c_str()] = rows_of(rows);
  for (NamedArray& named : arrays.media) {
    std::visit([&](auto& values) { out[named.name.c_str()] = taken_from(std::move(values)); }, named.values);
  }
  return out;
}

nb::tuple sizes_of(const Grid& grid) {
  return nb::make_tuple(grid.t, grid.h, grid.w);
}

std::vector<EncodedMedium> encode(const EngineHandle& handle, Request request, nb::handle hooks, bool last_hidden_state,
                                  nb::handle progress) {
  Call call;
  request.hooks = engine_hooks(hooks, call.exchange());
  EncodeOptions options;
  options.last_hidden_state = last_hidden_state;
  options.cancel = &call.exchange()->cancel;
  if (!progress.is_none()) {
    options.progress = [progress, exchange = call.exchange()](double fraction) {
      (void)exchange->ask([&] { progress(fraction); });
    };
  }
  const auto work = [engine = handle.get(), request = std::move(request), options] {
    return encode_media(*engine, request, options);
  };
  return run_call<std::vector<EncodedMedium>>(call, work);
}

}  // namespace

void bind_features(nb::module_& module) {
  nb::class_<EncodedMedium>(module, "EncodedMedium", "One picture or video behind the tower.")
      .def_prop_ro(
          "kind", [](const EncodedMedium& medium) { return medium.kind == SpanKind::video ? "video" : "image"; },
          "\"image\" or \"video\".")
      .def_prop_ro(
          "patches", [](const EncodedMedium& medium) { return sizes_of(medium.patches); },
          nb::sig("def patches(self) -> tuple[int, int, int]"),
          "Frames, rows, columns of each tile, before merging: a row of image_grid_thw.")
      .def_prop_ro(
          "grid", [](const EncodedMedium& medium) { return sizes_of(medium.grid); },
          nb::sig("def grid(self) -> tuple[int, int, int]"), "The same after merging.")
      .def_prop_ro(
          "last_hidden_state", [](const EncodedMedium& medium) { return view_of(medium.last_hidden_state); },
          nb::sig("def last_hidden_state(self) -> numpy.typing.NDArray[numpy.float32]"),
          "(patches, tower hidden) float32, tile after tile; empty unless asked for.")
      .def_prop_ro(
          "features", [](const EncodedMedium& medium) { return view_of(medium.features); },
          nb::sig("def features(self) -> numpy.typing.NDArray[numpy.float32]"),
          "(rows, hidden) float32: what takes the place of the placeholders' embeddings.")
      .def_prop_ro(
          "deepstack", [](const EncodedMedium& medium) { return views_of(medium.deepstack); },
          nb::sig("def deepstack(self) -> list[numpy.typing.NDArray[numpy.float32]]"),
          "Per DeepStack level (rows, hidden) float32; empty for families without.")
      .def_ro("arrays", &EncodedMedium::arrays, "Rows of each array that transformers keeps apart (tiles); empty: one.")
      .def_prop_ro(
          "input", [](const EncodedMedium& medium) { return medium.input; }, nb::sig("def input(self) -> FeatureInput"),
          "The features as a picture of another request, which need no tower there.")
      .def("__repr__", [](const EncodedMedium& medium) {
        std::vector<size_t> shape(medium.features.shape.begin(), medium.features.shape.end());
        return "EncodedMedium(features " + shape_text(shape) + ", deepstack levels " +
               std::to_string(medium.deepstack.size()) + ")";
      });
  module.def("processor_arrays", &processed, nb::arg("engine"), nb::arg("samples"),
             nb::sig("def processor_arrays(engine: Engine, samples: list[Request]) -> dict[str, typing.Any]"));
  module.def("encode_media", &encode, nb::arg("engine"), nb::arg("request"), nb::arg("hooks").none(),
             nb::arg("last_hidden_state"), nb::arg("progress").none());
  module.def(
      "read_features", [](const std::string& path) { return unwrap(read_features(path)); }, nb::arg("path"));
  module.def(
      "write_features",
      [](const EngineHandle& handle, const EncodedMedium& medium, const std::string& path) {
        check(write_features(*handle.get(), medium, path));
      },
      nb::arg("engine"), nb::arg("medium"), nb::arg("path"));
}

}  // namespace azimuth::python
