// Conversations: one question at a time, answered at once or piece by piece.
#include "azimuth/session.h"

#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <deque>

#include "arrays.h"
#include "bindings.h"
#include "engine.h"
#include "exclusive.h"
#include "hooks.h"

namespace azimuth::python {
namespace {

class SessionHandle {
 public:
  explicit SessionHandle(const std::shared_ptr<EngineHandle>& engine) : SessionHandle(engine, engine->get()) {}

  std::shared_ptr<Session> take(const std::shared_ptr<Exchange>& exchange) const {
    return session_.take(exchange,
                         "a session answers one question at a time, and this one is answering; make a session for each "
                         "thread, or read a stream to its end or close it");
  }

 private:
  SessionHandle(const std::shared_ptr<EngineHandle>& handle, const std::shared_ptr<const Engine>& engine)
      : session_(handle, engine, Session(*engine)) {}

  Exclusive<Session> session_;
};

// `watch`: an object with on_text and on_progress, functions or None; or None.
GenerateCallbacks callbacks_of(nb::handle watch, const std::shared_ptr<Exchange>& exchange) {
  GenerateCallbacks callbacks;
  callbacks.cancel = &exchange->cancel;
  if (watch.is_none()) return callbacks;
  const auto named = [&](const char* name) -> nb::handle {
    const nb::object function = watch.attr(name);
    return function.is_none() ? nb::handle() : nb::handle(function.ptr());
  };
  if (const nb::handle f = named("on_text")) {
    callbacks.on_text = [f, exchange](std::string_view text) {
      (void)exchange->ask([&] { f(nb::str(text.data(), text.size())); });
    };
  }
  if (const nb::handle f = named("on_progress")) {
    callbacks.on_progress = [f, exchange](std::string_view stage, double fraction) {
      (void)exchange->ask([&] { f(nb::str(stage.data(), stage.size()), fraction); });
    };
  }
  return callbacks;
}

Generation generate(const SessionHandle& handle, Request request, nb::handle hooks, const GenerateOptions& options,
                    nb::handle watch) {
  Call call;
  request.hooks = engine_hooks(hooks, call.exchange());
  const auto work = [session = handle.take(call.exchange()), request = std::move(request), options,
                     callbacks = callbacks_of(watch, call.exchange())] {
    return session->generate(request, options, callbacks);
  };
  return run_call<Generation>(call, work);
}

// An answer that comes piece by piece. The engine goes on by itself; hooks wait for the next piece to be asked for.
class Stream {
 public:
  Stream(const SessionHandle& handle, Request request, nb::object hooks, const GenerateOptions& options,
         nb::object watch)
      : hooks_(std::move(hooks)), watch_(std::move(watch)) {
    request.hooks = engine_hooks(hooks_, call_.exchange());
    GenerateCallbacks callbacks = callbacks_of(watch_, call_.exchange());
    callbacks.on_text = [shared = shared_, exchange = call_.exchange()](std::string_view text) {
      exchange->change([&] { shared->pieces.emplace_back(text); });
    };
    call_.start([shared = shared_, session = handle.take(call_.exchange()), request = std::move(request), options,
                 callbacks] { shared->answer = session->generate(request, options, callbacks); });
  }
  ~Stream() { close(); }

  nb::object next() {
    if (closed_) throw nb::stop_iteration();
    try {
      call_.wait([this] { return !shared_->pieces.empty(); });
    } catch (...) {
      close();
      throw;
    }
    const std::string piece = call_.exchange()->read([this] {
      std::string text;
      if (shared_->pieces.empty()) return text;
      text = std::move(shared_->pieces.front());
      shared_->pieces.pop_front();
      return text;
    });
    if (!piece.empty()) return nb::str(piece.data(), piece.size());
    closed_ = true;
    check(shared_->answer->status());
    throw nb::stop_iteration();
  }

  Generation answer() {
    if (!closed_ || !call_.done() || !shared_->answer) {
      raise(invalid_argument("the generation of a stream is known when the stream has been read to its end"));
    }
    return unwrap(*shared_->answer);
  }

  void close() {
    if (closed_) return;
    closed_ = true;
    call_.stop();
  }

 private:
  struct Shared {
    std::deque<std::string> pieces;
    std::optional<Result<Generation>> answer;
  };

  nb::object hooks_;
  nb::object watch_;
  std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
  bool closed_ = false;
  Call call_;
};

void bind_generation(nb::module_& module) {
  nb::class_<StageTime>(module, "StageTime", "The time of one stage.")
      .def_ro("name", &StageTime::name, "\"preprocess\", \"vision\", \"prefill\" or \"decode\".")
      .def_ro("seconds", &StageTime::seconds)
      .def_ro("items", &StageTime::items)
      .def_ro("unit", &StageTime::unit, "What is counted: \"patches\" or \"tokens\".")
      .def("__repr__", [](const StageTime& stage) {
        return "StageTime(" + stage.name + ", " + std::to_string(stage.seconds) + " s, " + std::to_string(stage.items) +
               " " + stage.unit + ")";
      });

  nb::class_<Generation>(module, "Generation", "An answer, and how it came about.")
      .def_ro("text", &Generation::text)
      .def_prop_ro(
          "ids", [](const Generation& answer) { return to_numpy(answer.ids); },
          nb::sig("def ids(self) -> numpy.typing.NDArray[numpy.int32]"),
          "(tokens,) int32, without the end-of-text token.")
      .def_prop_ro(
          "logprobs", [](const Generation& answer) { return to_numpy(answer.logprobs); },
          nb::sig("def logprobs(self) -> numpy.typing.NDArray[numpy.float64]"),
          "(tokens,) float64, nats: of each generated token, before temperature and penalties.")
      .def_prop_ro(
          "entropies", [](const Generation& answer) { return to_numpy(answer.entropies); },
          nb::sig("def entropies(self) -> numpy.typing.NDArray[numpy.float64]"),
          "(tokens,) float64, nats: of the distribution that each was drawn from, likewise.")
      .def_prop_ro(
          "finish", [](const Generation& answer) { return std::string(to_string(answer.finish)); },
          "\"end_of_text\", \"stop\", \"length\" or \"cancelled\".")
      .def_ro("prompt_tokens", &Generation::prompt_tokens)
      .def_ro("steps", &Generation::steps, "Tokens drawn, the end-of-text token included.")
      .def_ro("cached_tokens", &Generation::cached_tokens, "Of the prompt, that had been computed before.")
      .def_ro("moved_tokens", &Generation::moved_tokens, "Of these, with other ids than they were computed under.")
      .def_ro("prefills_again", &Generation::prefills_again, "Times that changed frequencies made it start again.")
      .def_ro("cached_images", &Generation::cached_images, "Pictures whose features were known.")
      .def_ro("cached_videos", &Generation::cached_videos)
      .def_ro("cached_patches", &Generation::cached_patches, "That the tower was spared.")
      .def_ro("kept_old_turns", &Generation::kept_old_turns)
      .def_ro("stages", &Generation::stages)
      .def("__str__", [](const Generation& answer) { return answer.text; })
      .def("__repr__", [](const Generation& answer) {
        return "Generation(" + nb::cast<std::string>(nb::repr(nb::cast(answer.text))) + ", " +
               std::string(to_string(answer.finish)) + ")";
      });
}

}  // namespace

void bind_session(nb::module_& module) {
  bind_generation(module);
  nb::class_<SessionHandle>(module, "Session")
      .def(nb::init<const std::shared_ptr<EngineHandle>&>())
      .def("generate", &generate, nb::arg("request"), nb::arg("hooks").none(), nb::arg("options"),
           nb::arg("watch").none());
  nb::class_<Stream>(module, "Stream")
      .def(nb::init<const SessionHandle&, Request, nb::object, const GenerateOptions&, nb::object>(),
           nb::arg("session"), nb::arg("request"), nb::arg("hooks").none(), nb::arg("options"), nb::arg("watch").none())
      .def("next", &Stream::next, nb::sig("def next(self) -> str"))
      .def("generation", &Stream::answer)
      .def("close", &Stream::close);
}

}  // namespace azimuth::python
