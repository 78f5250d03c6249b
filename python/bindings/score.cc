// Log-probabilities of completions.
#include "azimuth/score.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "arrays.h"
#include "bindings.h"
#include "engine.h"
#include "hooks.h"

namespace azimuth::python {
namespace {

// (ids, log-probabilities), each [tokens, top]
nb::tuple alternatives(const SampleScore& score) {
  const size_t tokens = score.top.size(), top = tokens == 0 ? 0 : score.top[0].size();
  std::vector<int32_t> ids;
  std::vector<double> logprobs;
  for (const std::vector<TokenAlternative>& row : score.top) {
    for (const TokenAlternative& each : row) {
      ids.push_back(each.id);
      logprobs.push_back(each.logprob);
    }
  }
  return nb::make_tuple(to_numpy(std::move(ids), {tokens, top}), to_numpy(std::move(logprobs), {tokens, top}));
}

ScoreCallbacks callbacks_of(nb::handle on_score, nb::handle progress, const std::shared_ptr<Exchange>& exchange) {
  ScoreCallbacks callbacks;
  callbacks.cancel = &exchange->cancel;
  if (!progress.is_none()) {
    callbacks.on_progress = [progress, exchange](std::string_view stage, double fraction) {
      (void)exchange->ask([&] { progress(nb::str(stage.data(), stage.size()), fraction); });
    };
  }
  if (!on_score.is_none()) {
    callbacks.on_sample = [on_score, exchange](size_t index, const SampleScore& score) {
      return exchange->ask([&] { on_score(index, nb::cast(score)); });
    };
  }
  return callbacks;
}

// samples: [(id, request, hooks, completion or None, ids or None)]
std::vector<SampleScore> score_samples(const EngineHandle& handle, nb::list samples, const ScoreOptions& options,
                                       nb::handle on_score, nb::handle progress) {
  Call call;
  std::vector<ScoreSample> asked;
  for (nb::handle each : samples) {
    const auto parts = nb::cast<nb::tuple>(each);
    ScoreSample sample;
    sample.id = nb::cast<std::string>(parts[0]);
    sample.request = nb::cast<Request>(parts[1]);
    sample.request.hooks = engine_hooks(parts[2], call.exchange());
    if (!parts[3].is_none()) sample.completion = nb::cast<std::string>(parts[3]);
    if (!parts[4].is_none()) sample.completion_ids = nb::cast<std::vector<int32_t>>(parts[4]);
    asked.push_back(std::move(sample));
  }
  const auto work = [engine = handle.get(), asked = std::move(asked), options,
                     callbacks = callbacks_of(on_score, progress, call.exchange())] {
    return score(*engine, asked, options, callbacks);
  };
  return run_call<std::vector<SampleScore>>(call, work);
}

}  // namespace

void bind_score(nb::module_& module) {
  nb::class_<ScoreOptions>(module, "ScoreOptions")
      .def(nb::init<>())
      .def_rw("temperature", &ScoreOptions::temperature)
      .def_rw("top", &ScoreOptions::top)
      .def_rw("max_bytes", &ScoreOptions::max_bytes)
      .def_rw("keep_going", &ScoreOptions::keep_going);

  nb::class_<SampleScore>(module, "SampleScore", "The scores of one completion.")
      .def_prop_ro(
          "completion_ids", [](const SampleScore& score) { return to_numpy(score.completion_ids); },
          nb::sig("def completion_ids(self) -> numpy.typing.NDArray[numpy.int32]"), "(tokens,) int32")
      .def_prop_ro(
          "logprobs", [](const SampleScore& score) { return to_numpy(score.logprobs); },
          nb::sig("def logprobs(self) -> numpy.typing.NDArray[numpy.float64]"),
          "(tokens,) float64, nats: of each token given all before it, after temperature.")
      .def_prop_ro(
          "entropies", [](const SampleScore& score) { return to_numpy(score.entropies); },
          nb::sig("def entropies(self) -> numpy.typing.NDArray[numpy.float64]"),
          "(tokens,) float64, nats: of the distribution that each token was one outcome of.")
      .def_prop_ro(
          "top", &alternatives,
          nb::sig("def top(self) -> tuple[numpy.typing.NDArray[numpy.int32], numpy.typing.NDArray[numpy.float64]]"),
          "Ids (tokens, top) int32 and log-probabilities (tokens, top) float64 of the most probable tokens, best "
          "first.")
      .def_prop_ro(
          "error",
          [](const SampleScore& score) -> nb::object {
            if (score.status.ok()) return nb::none();
            return nb::cast(score.status.message());
          },
          nb::sig("def error(self) -> str | None"),
          "What was wrong with the sample, with keep_going; the rest is empty then.")
      .def_ro("prompt_tokens", &SampleScore::prompt_tokens)
      .def_ro("shared_tokens", &SampleScore::shared_tokens, "Of the prompt, that other samples had computed.")
      .def_ro("shared_media", &SampleScore::shared_media, "Pictures and videos, likewise.")
      .def("__repr__", [](const SampleScore& score) {
        double sum = 0.0;
        for (const double logprob : score.logprobs) sum += logprob;
        return "SampleScore(" + std::to_string(score.logprobs.size()) + " tokens, " + std::to_string(sum) + " nats)";
      });
  module.def("score", &score_samples, nb::arg("engine"), nb::arg("samples"), nb::arg("options"),
             nb::arg("on_score").none(), nb::arg("progress").none(),
             nb::sig("def score(engine: Engine, samples: list[tuple[str, Request, object, str | None, list[int] | "
                     "None]], options: ScoreOptions, on_score: object | None, progress: object | None) -> "
                     "list[SampleScore]"));
}

}  // namespace azimuth::python
