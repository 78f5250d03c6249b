// Loading a model, and what is known of it.
#include "engine.h"

#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "azimuth/families.h"
#include "bindings.h"

namespace azimuth::python {
namespace {

std::shared_ptr<EngineHandle> load(const std::string& model, EngineOptions options, nb::handle progress) {
  Call call;
  const std::shared_ptr<Exchange> exchange = call.exchange();
  options.cancel = &exchange->cancel;
  if (!progress.is_none()) {
    options.progress = [exchange, progress](double fraction) {
      (void)exchange->ask([&] { progress(fraction); });  // a failure has set the cancel flag
    };
  }
  // The engine keeps its options, but neither flag nor function.
  const auto work = [model, options, exchange]() -> Result<std::shared_ptr<EngineHandle>> {
    AZ_ASSIGN_OR_RETURN(Engine engine, Engine::load(model, options));
    return std::make_shared<EngineHandle>(std::move(engine));
  };
  return run_call<std::shared_ptr<EngineHandle>>(call, work);
}

void bind_options(nb::module_& module) {
  nb::class_<EngineOptions>(module, "EngineOptions")
      .def(nb::init<>())
      .def_rw("dtype", &EngineOptions::dtype)
      .def_rw("default_dtype", &EngineOptions::default_dtype)
      .def_rw("cache", &EngineOptions::cache)
      .def_rw("threads", &EngineOptions::threads)
      .def_rw("resize", &EngineOptions::resize)
      .def_rw("apply_orientation", &EngineOptions::apply_orientation)
      .def_rw("max_pixels", &EngineOptions::max_pixels)
      .def_rw("feature_cache_bytes", &EngineOptions::feature_cache_bytes)
      .def_rw("prefix_cache_bytes", &EngineOptions::prefix_cache_bytes)
      .def_rw("load_weights", &EngineOptions::load_weights)
      .def("set_compat",
           [](EngineOptions& options, const std::string& name) { options.compat = unwrap(parse_compat(name)); });
}

void bind_info(nb::module_& module) {
  nb::class_<ModelInfo>(module, "ModelInfo", "What is known of a loaded model.")
      .def_ro("directory", &ModelInfo::directory)
      .def_ro("model_type", &ModelInfo::model_type, "Of config.json.")
      .def_ro("policy", &ModelInfo::policy, "The checkpoint's own position policy.")
      .def_ro("section", &ModelInfo::section, "Rotary pairs per axis; empty for one axis.")
      .def_ro("rope_theta", &ModelInfo::rope_theta)
      .def_ro("frequencies_follow_length", &ModelInfo::frequencies_follow_length, "Dynamic NTK, LongRoPE.")
      .def_ro("vocab", &ModelInfo::vocab)
      .def_ro("hidden", &ModelInfo::hidden)
      .def_ro("layers", &ModelInfo::layers)
      .def_ro("heads", &ModelInfo::heads)
      .def_ro("kv_heads", &ModelInfo::kv_heads)
      .def_ro("head_dim", &ModelInfo::head_dim)
      .def_ro("context_length", &ModelInfo::context_length, "Tokens.")
      .def_ro("has_vision", &ModelInfo::has_vision)
      .def_ro("tower_layers", &ModelInfo::tower_layers)
      .def_ro("tower_hidden", &ModelInfo::tower_hidden)
      .def_ro("patch", &ModelInfo::patch, "Pixels of a patch's side.")
      .def_ro("merge", &ModelInfo::merge, "Patches of a merged cell's side.")
      .def_ro("deepstack_levels", &ModelInfo::deepstack_levels)
      .def_ro("text_parameters", &ModelInfo::text_parameters, "The tied head counts once.")
      .def_ro("vision_parameters", &ModelInfo::vision_parameters)
      .def_ro("checkpoint_bytes", &ModelInfo::checkpoint_bytes)
      .def_ro("weight_bytes", &ModelInfo::weight_bytes, "In memory, or in the map.")
      .def_ro("cache_bytes_per_token", &ModelInfo::cache_bytes_per_token)
      .def_ro("dtype", &ModelInfo::dtype, "Of the weights in memory.")
      .def_ro("quantised", &ModelInfo::quantised, "The directory holds its weights in this type already.")
      .def_ro("cache", &ModelInfo::cache, "Type of keys and values.")
      .def_ro("threads", &ModelInfo::threads)
      .def("__repr__", [](const ModelInfo& info) {
        return "ModelInfo(" + info.model_type + ", " + info.dtype + ", " + std::to_string(info.layers) + " layers)";
      });
}

void bind_families(nb::module_& module) {
  nb::class_<FamilyDescription>(module, "FamilyDescription", "A model family that this build runs, in words.")
      .def_ro("model_type", &FamilyDescription::model_type)
      .def_ro("checkpoint", &FamilyDescription::checkpoint, "A published one.")
      .def_ro("encoder", &FamilyDescription::encoder)
      .def_ro("projector", &FamilyDescription::projector)
      .def_ro("decoder", &FamilyDescription::decoder)
      .def_ro("positions", &FamilyDescription::positions)
      .def_ro("masks", &FamilyDescription::masks)
      .def_ro("preprocessing", &FamilyDescription::preprocessing)
      .def_ro("video", &FamilyDescription::video)
      .def("__repr__", [](const FamilyDescription& family) { return "FamilyDescription(" + family.model_type + ")"; });
  module.def("families", [] { return unwrap(describe_families()); });
  module.def("kernels", &kernel_report);
}

}  // namespace

void bind_engine(nb::module_& module) {
  bind_options(module);
  bind_info(module);
  bind_families(module);
  nb::class_<EngineHandle>(module, "Engine")
      .def_prop_ro("info", [](const EngineHandle& engine) { return engine.get()->info(); })
      .def_prop_ro("closed", &EngineHandle::closed)
      .def("close", &EngineHandle::close);
  module.def("load", &load, nb::arg("model"), nb::arg("options"), nb::arg("progress").none());
}

}  // namespace azimuth::python
