// One pass of the decoder, and the caches that it goes on behind.
#include "azimuth/forward.h"

#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "arrays.h"
#include "bindings.h"
#include "engine.h"
#include "exclusive.h"
#include "hooks.h"

namespace azimuth::python {
namespace {

class CacheHandle {
 public:
  explicit CacheHandle(const std::shared_ptr<EngineHandle>& engine)
      : CacheHandle(engine, engine->get(), Cache(*engine->get())) {}
  CacheHandle(const std::shared_ptr<EngineHandle>& handle, const std::shared_ptr<const Engine>& engine, Cache cache)
      : cache_(handle, engine, std::move(cache)) {}

  std::shared_ptr<Cache> take(const std::shared_ptr<Exchange>& exchange = std::make_shared<Exchange>()) const {
    return cache_.take(exchange,
                       "a cache serves one call at a time, and another call has it; fork() it for each thread");
  }
  std::shared_ptr<CacheHandle> fork() const {
    return std::make_shared<CacheHandle>(cache_.handle(), cache_.engine(), take()->fork());
  }

 private:
  Exclusive<Cache> cache_;
};

std::shared_ptr<CacheHandle> load_cache(const std::shared_ptr<EngineHandle>& handle, const std::string& path) {
  using Loaded = std::pair<std::shared_ptr<const Engine>, Cache>;  // the engine is destroyed behind its cache
  Call call;
  Loaded loaded = run_call<Loaded>(call, [engine = handle->get(), path]() -> Result<Loaded> {
    AZ_ASSIGN_OR_RETURN(Cache cache, Cache::load(*engine, path));
    return Loaded(engine, std::move(cache));
  });
  return std::make_shared<CacheHandle>(handle, loaded.first, std::move(loaded.second));
}

void save_cache(const CacheHandle& handle, const std::string& path) {
  Call call;
  const auto work = [cache = handle.take(call.exchange()), path]() -> Result<bool> {
    AZ_RETURN_IF_ERROR(cache->save(path));
    return true;
  };
  run_call<bool>(call, work);
}

// (logits, hidden, layers, first token)
nb::tuple pass(const EngineHandle& handle, Request request, nb::handle hooks, nb::handle embeddings, int64_t logit_rows,
               bool hidden_states, bool layer_outputs, const CacheHandle* cache, nb::handle progress) {
  Call call;
  request.hooks = engine_hooks(hooks, call.exchange());
  ForwardOptions options;
  if (!embeddings.is_none()) options.embeddings = array_of<float>(embeddings, "inputs_embeds");
  options.logit_rows = logit_rows;
  options.hidden_states = hidden_states;
  options.layer_outputs = layer_outputs;
  options.cancel = &call.exchange()->cancel;
  if (!progress.is_none()) {
    options.progress = [progress, exchange = call.exchange()](std::string_view stage, double fraction) {
      (void)exchange->ask([&] { progress(nb::str(stage.data(), stage.size()), fraction); });
    };
  }
  std::shared_ptr<Cache> taken = cache == nullptr ? nullptr : cache->take(call.exchange());
  const auto work = [engine = handle.get(), request = std::move(request), options, taken = std::move(taken)] {
    return forward(*engine, request, options, taken.get());
  };
  ForwardOutput out = run_call<ForwardOutput>(call, work);
  nb::list layers;
  for (FloatArray& layer : out.layers) layers.append(taken_from(std::move(layer)));
  return nb::make_tuple(taken_from(std::move(out.logits)), taken_from(std::move(out.hidden)), layers, out.first_token);
}

}  // namespace

void bind_forward(nb::module_& module) {
  nb::class_<CacheHandle>(module, "Cache")
      .def(nb::init<const std::shared_ptr<EngineHandle>&>())
      .def("__len__", [](const CacheHandle& cache) { return cache.take()->length(); })
      .def_prop_ro("bytes", [](const CacheHandle& cache) { return cache.take()->bytes(); })
      .def_prop_ro(
          "ids", [](const CacheHandle& cache) { return to_numpy(cache.take()->ids()); },
          nb::sig("def ids(self) -> numpy.typing.NDArray[numpy.int32]"))
      .def_prop_ro("policy", [](const CacheHandle& cache) { return cache.take()->policy(); })
      .def("fork", &CacheHandle::fork)
      .def("trim", [](const CacheHandle& cache, int64_t tokens) { check(cache.take()->trim(tokens)); })
      .def("save", &save_cache);
  module.def("load_cache", &load_cache, nb::arg("engine"), nb::arg("path"));
  module.def("forward", &pass, nb::arg("engine"), nb::arg("request"), nb::arg("hooks").none(),
             nb::arg("embeddings").none(), nb::arg("logit_rows"), nb::arg("hidden_states"), nb::arg("layer_outputs"),
             nb::arg("cache").none(), nb::arg("progress").none(),
             nb::sig("def forward(engine: Engine, request: Request, hooks: object | None, embeddings: object | None, "
                     "logit_rows: int, hidden_states: bool, layer_outputs: bool, cache: Cache | None, progress: object "
                     "| None) -> tuple[numpy.typing.NDArray[numpy.float32], numpy.typing.NDArray[numpy.float32], "
                     "list[numpy.typing.NDArray[numpy.float32]], int]"));
  module.def(
      "embed_tokens",
      [](const EngineHandle& handle, const std::vector<int32_t>& ids) {
        return taken_from(unwrap(embed_tokens(*handle.get(), ids)));
      },
      nb::arg("engine"), nb::arg("ids"),
      nb::sig("def embed_tokens(engine: Engine, ids: list[int]) -> numpy.typing.NDArray[numpy.float32]"));
}

}  // namespace azimuth::python
