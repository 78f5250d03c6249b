// What hooks in Python are given. Arrays are the caller's own: copies, made when they are asked for and, where a hook
// may write, read back when it returns. So nothing of the engine's memory is left in Python's hands behind the call.
#include "hooks.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "arrays.h"
#include "bindings.h"
#include "positions.h"

namespace azimuth::python {
namespace {

std::string stage_name(Stage stage) {
  switch (stage) {
    case Stage::pixels: return "pixels";
    case Stage::tower_layer: return "tower_layer";
    case Stage::tower_output: return "tower_output";
    case Stage::features: return "features";
    case Stage::deepstack: return "deepstack";
    case Stage::embeddings: return "embeddings";
    case Stage::attention: return "attention";
    case Stage::layer_output: return "layer_output";
    case Stage::final_hidden: return "final_hidden";
    case Stage::logits: break;
  }
  return "logits";
}

std::vector<size_t> sizes(std::initializer_list<int64_t> shape) {
  return {shape.begin(), shape.end()};
}

// Numbers of the engine for as long as a hook runs.
class Loan {
 public:
  Loan(std::span<const float> values, std::vector<size_t> shape) : values_(values), shape_(std::move(shape)) {}
  Loan(std::span<float> values, std::vector<size_t> shape, bool)
      : values_(values), writable_(values.data()), shape_(std::move(shape)) {}

  nb::object array() {
    if (!array_.is_valid()) {
      if (over_) raise(invalid_argument("a hook's array was asked for behind its call; take it while the hook runs"));
      array_ = copy_to_numpy(values_, shape_);
    }
    return array_;
  }

  void assign(nb::handle array) {
    if (over_) raise(invalid_argument("a hook's array was set behind its call; set it while the hook runs"));
    std::vector<size_t> shape;
    std::vector<float> values = floats_of(array, "a hook's array", shape);
    if (shape != shape_) {
      raise(
          invalid_argument("a hook's array expected the shape " + shape_text(shape_) + ", found " + shape_text(shape)));
    }
    array_ = to_numpy(std::move(values), shape);
  }

  // The hook has returned: what it did to the array becomes the engine's.
  void settle() {
    over_ = true;
    if (writable_ == nullptr || !array_.is_valid()) return;
    std::vector<size_t> shape;
    const std::vector<float> edited = floats_of(array_, "a hook's array", shape);
    std::copy(edited.begin(), edited.end(), writable_);
  }
  void end() { over_ = true; }

 private:
  std::span<const float> values_;
  float* writable_ = nullptr;
  std::vector<size_t> shape_;
  nb::object array_;
  bool over_ = false;
};

std::vector<size_t> shape_of(const std::vector<int64_t>& shape) {
  return {shape.begin(), shape.end()};
}

// ---- what each hook is given

struct TapEvent {
  TapPoint point;
  std::optional<Loan> values;

  void settle() {
    if (values) values->settle();
  }
  void end() {
    if (values) values->end();
  }
};

struct PositionsEvent {
  std::string policy;
  std::vector<Span> spans;
  std::vector<int32_t> ids;
  std::vector<MediaHandle> media;
  nb::object table;  // a copy
  PositionTable* edited;

  void settle() { *edited = nb::cast<PositionTable&>(table); }
  void end() {}
};

struct StreamEvent {
  int layer;
  std::vector<int64_t> tokens;
  Loan rows;
};

struct DecoderEvent {
  int sequence;
  int64_t first_token;
  int64_t tokens;
  Loan hidden;
  std::vector<int32_t> ids;
  std::vector<std::shared_ptr<StreamEvent>> streams;
  std::vector<Span> spans;
  PositionTable positions;

  void settle() {
    hidden.settle();
    for (const auto& stream : streams) stream->rows.settle();
  }
  void end() {
    hidden.end();
    for (const auto& stream : streams) stream->rows.end();
  }
};

struct LayerEvent {
  int layer;
  int sequence;
  int64_t first_token;
  int64_t tokens;
  Loan hidden;

  void settle() { hidden.settle(); }
  void end() { hidden.end(); }
};

struct RotaryEvent {
  RotaryIds at;
  std::vector<int> layers;
  std::vector<float> ids;  // [tokens, axes]
  std::optional<Loan> cosines;
  std::optional<Loan> sines;

  void settle() {
    if (!cosines) return;
    cosines->settle();
    sines->settle();
  }
  void end() {
    if (!cosines) return;
    cosines->end();
    sines->end();
  }
};

TapEvent make_event(const TapPoint& point) {
  return {point, std::nullopt};
}
TapEvent make_event(const TapPoint& point, const ReadTensor& tensor) {
  return {point, Loan(tensor.values, shape_of(tensor.shape))};
}
TapEvent make_event(const TapPoint& point, WriteTensor& tensor) {
  return {point, Loan(tensor.values, shape_of(tensor.shape), true)};
}
PositionsEvent make_event(PositionEdit& edit) {
  return {std::string(edit.policy),           {edit.spans.begin(), edit.spans.end()},
          {edit.ids.begin(), edit.ids.end()}, {edit.media.begin(), edit.media.end()},
          nb::cast(edit.positions),           &edit.positions};
}
DecoderEvent make_event(DecoderEntry& entry) {
  const int64_t width = entry.tokens == 0 ? 0 : static_cast<int64_t>(entry.hidden.size()) / entry.tokens;
  std::vector<std::shared_ptr<StreamEvent>> streams;
  for (const StreamRows& stream : entry.streams) {
    const auto tokens = static_cast<int64_t>(stream.tokens.size());
    streams.push_back(std::make_shared<StreamEvent>(StreamEvent{
        stream.layer, {stream.tokens.begin(), stream.tokens.end()}, Loan(stream.rows, sizes({tokens, width}), true)}));
  }
  return {entry.sequence,
          entry.first_token,
          entry.tokens,
          Loan(entry.hidden, sizes({entry.tokens, width}), true),
          {entry.ids.begin(), entry.ids.end()},
          std::move(streams),
          {entry.spans.begin(), entry.spans.end()},
          entry.positions};
}
LayerEvent make_event(LayerEntry& entry) {
  const int64_t width = entry.tokens == 0 ? 0 : static_cast<int64_t>(entry.hidden.size()) / entry.tokens;
  return {entry.layer, entry.sequence, entry.first_token, entry.tokens,
          Loan(entry.hidden, sizes({entry.tokens, width}), true)};
}
RotaryEvent make_event(const RotaryIds& ids) {
  return {ids, {ids.layers.begin(), ids.layers.end()}, {ids.ids.begin(), ids.ids.end()}, std::nullopt, std::nullopt};
}
RotaryEvent make_event(RotaryRows& rows) {
  RotaryEvent event = make_event(static_cast<const RotaryIds&>(rows));
  event.cosines.emplace(rows.cosines, sizes({rows.tokens, rows.groups, rows.pairs}), true);
  event.sines.emplace(rows.sines, sizes({rows.tokens, rows.groups, rows.pairs}), true);
  return event;
}

// Shows `function` what the hook was called with, in the caller's thread.
template <typename... Args>
nb::object show(nb::handle function, Args&&... args) {
  auto event = std::make_shared<decltype(make_event(args...))>(make_event(args...));
  nb::object answer;
  try {
    answer = function(event);
    event->settle();
  } catch (...) {
    event->end();
    throw;
  }
  return answer;
}

// ---- as Python sees it

Loan& numbers_of(std::optional<Loan>& loan, const char* why) {
  if (!loan) raise(invalid_argument(why));
  return *loan;
}
constexpr const char* kNoValues = "this hook is asked about attention weights and sees no values";
constexpr const char* kNoRows = "on_rotary_ids sees ids alone; cosines and sines come to on_rotary";

#define AZ_ARRAY_SIGNATURE(name) nb::for_getter(nb::sig("def " name "(self, /) -> numpy.typing.NDArray[numpy.float32]"))

void bind_tap_event(nb::module_& module) {
  nb::class_<TapEvent>(module, "Tap", "A tensor that passes a stage of the program.")
      .def_prop_ro(
          "stage", [](const TapEvent& tap) { return stage_name(tap.point.stage); },
          "One of the stages of docs/hooks.md, such as \"layer_output\".")
      .def_prop_ro(
          "layer", [](const TapEvent& tap) { return tap.point.layer; }, "Of tower or decoder, or DeepStack level.")
      .def_prop_ro(
          "sequence", [](const TapEvent& tap) { return tap.point.sequence; },
          "Index in the batch; -1 before the decoder.")
      .def_prop_ro(
          "first_token", [](const TapEvent& tap) { return tap.point.first_token; },
          "Of the first row, in the sequence.")
      .def_prop_ro(
          "media", [](const TapEvent& tap) { return tap.point.media; },
          "Of a stage before the decoder: which picture, then video.")
      .def_prop_rw(
          "values", [](TapEvent& tap) { return numbers_of(tap.values, kNoValues).array(); },
          [](TapEvent& tap, nb::handle array) { numbers_of(tap.values, kNoValues).assign(array); },
          "float32, of the stage's shape; a copy. on_write takes what it holds when the hook returns.",
          AZ_ARRAY_SIGNATURE("values"));
}

void bind_positions_event(nb::module_& module) {
  nb::class_<PositionsEvent>(module, "PositionEdit", "Hook 1: positions, behind the layout.")
      .def_ro("policy", &PositionsEvent::policy, "That laid the prompt out, with its parameters.")
      .def_ro("spans", &PositionsEvent::spans)
      .def_prop_ro(
          "token_ids", [](const PositionsEvent& edit) { return to_numpy(edit.ids); },
          nb::sig("def token_ids(self) -> numpy.typing.NDArray[numpy.int32]"), "(tokens,) int32")
      .def_ro("media", &PositionsEvent::media, "Pictures, then videos.")
      .def_ro("positions", &PositionsEvent::table, "The PositionTable to edit.",
              nb::sig("def positions(self) -> PositionTable"));
}

void bind_decoder_events(nb::module_& module) {
  nb::class_<StreamEvent>(module, "StreamRows", "Rows that are added behind a layer (DeepStack).")
      .def_ro("layer", &StreamEvent::layer)
      .def_ro("tokens", &StreamEvent::tokens, "Ascending token indices.")
      .def_prop_rw(
          "rows", [](StreamEvent& stream) { return stream.rows.array(); },
          [](StreamEvent& stream, nb::handle array) { stream.rows.assign(array); },
          "(tokens, hidden) float32, to be edited.", AZ_ARRAY_SIGNATURE("rows"));

  nb::class_<DecoderEvent>(module, "DecoderEntry", "Hook 2: what enters the decoder.")
      .def_ro("sequence", &DecoderEvent::sequence)
      .def_ro("first_token", &DecoderEvent::first_token, "0 for the prompt, else the index of the generated token.")
      .def_ro("tokens", &DecoderEvent::tokens)
      .def_prop_rw(
          "hidden", [](DecoderEvent& entry) { return entry.hidden.array(); },
          [](DecoderEvent& entry, nb::handle array) { entry.hidden.assign(array); },
          "(tokens, hidden) float32, features in their places, to be edited.", AZ_ARRAY_SIGNATURE("hidden"))
      .def_prop_ro(
          "token_ids", [](const DecoderEvent& entry) { return to_numpy(entry.ids); },
          nb::sig("def token_ids(self) -> numpy.typing.NDArray[numpy.int32]"), "(tokens,) int32")
      .def_ro("streams", &DecoderEvent::streams, "Of the prompt.")
      .def_ro("spans", &DecoderEvent::spans, "Of the prompt; empty for a generated token.")
      .def_ro("positions", &DecoderEvent::positions, "Of these tokens; editing it changes nothing.");

  nb::class_<LayerEvent>(module, "LayerEntry", "Hook 2b: entry of a layer, before its first norm.")
      .def_ro("layer", &LayerEvent::layer)
      .def_ro("sequence", &LayerEvent::sequence)
      .def_ro("first_token", &LayerEvent::first_token)
      .def_ro("tokens", &LayerEvent::tokens)
      .def_prop_rw(
          "hidden", [](LayerEvent& entry) { return entry.hidden.array(); },
          [](LayerEvent& entry, nb::handle array) { entry.hidden.assign(array); },
          "(tokens, hidden) float32, to be edited.", AZ_ARRAY_SIGNATURE("hidden"));
}

void bind_rotary_event(nb::module_& module) {
  nb::class_<RotaryEvent>(module, "Rotary", "Hook 3: what reaches one rotary embedding in one pass.")
      .def_prop_ro(
          "rope", [](const RotaryEvent& event) { return event.at.rope; }, "Index of the layer type.")
      .def_prop_ro(
          "id_set", [](const RotaryEvent& event) { return event.at.id_set; }, "Of PositionTable.sets.")
      .def_ro("layers", &RotaryEvent::layers, "That use this rope with this id set.")
      .def_prop_ro("sequence", [](const RotaryEvent& event) { return event.at.sequence; })
      .def_prop_ro("first_token", [](const RotaryEvent& event) { return event.at.first_token; })
      .def_prop_ro("tokens", [](const RotaryEvent& event) { return event.at.tokens; })
      .def_prop_ro(
          "ids",
          [](const RotaryEvent& event) {
            PositionSet set;
            set.axes = event.at.axes;
            set.ids = event.ids;
            return nb::object(ids_view(nb::cast(set)));
          },
          nb::sig("def ids(self) -> numpy.typing.NDArray[numpy.float32]"), "(axes, tokens) float32")
      .def_prop_rw(
          "cosines", [](RotaryEvent& event) { return numbers_of(event.cosines, kNoRows).array(); },
          [](RotaryEvent& event, nb::handle array) { numbers_of(event.cosines, kNoRows).assign(array); },
          "(tokens, groups, pairs) float32, to be edited.", AZ_ARRAY_SIGNATURE("cosines"))
      .def_prop_rw(
          "sines", [](RotaryEvent& event) { return numbers_of(event.sines, kNoRows).array(); },
          [](RotaryEvent& event, nb::handle array) { numbers_of(event.sines, kNoRows).assign(array); },
          "(tokens, groups, pairs) float32, to be edited.", AZ_ARRAY_SIGNATURE("sines"));
}

}  // namespace

Hooks engine_hooks(nb::handle hooks, const std::shared_ptr<Exchange>& exchange) {
  Hooks out;
  if (hooks.is_none()) return out;
  // A function of `hooks`, which keeps it alive; empty where it is None.
  const auto named = [&](const char* name) -> nb::handle {
    const nb::object function = hooks.attr(name);
    return function.is_none() ? nb::handle() : nb::handle(function.ptr());
  };
  if (const nb::handle f = named("on_positions")) {
    out.on_positions = [f, exchange](PositionEdit& edit) { return exchange->ask([&] { show(f, edit); }); };
  }
  if (const nb::handle f = named("on_decoder_input")) {
    out.on_decoder_input = [f, exchange](DecoderEntry& entry) { return exchange->ask([&] { show(f, entry); }); };
  }
  if (const nb::handle f = named("on_layer_input")) {
    out.on_layer_input = [f, exchange](LayerEntry& entry) { return exchange->ask([&] { show(f, entry); }); };
  }
  if (const nb::handle f = named("on_rotary")) {
    out.on_rotary = [f, exchange](RotaryRows& rows) { return exchange->ask([&] { show(f, rows); }); };
  }
  if (const nb::handle f = named("on_write")) {
    out.on_write = [f, exchange](const TapPoint& point, WriteTensor& tensor) {
      return exchange->ask([&] { show(f, point, tensor); });
    };
  }
  // What fails in these three has set the cancel flag.
  if (const nb::handle f = named("on_read")) {
    out.on_read = [f, exchange](const TapPoint& point, const ReadTensor& tensor) {
      (void)exchange->ask([&] { show(f, point, tensor); });
    };
  }
  if (const nb::handle f = named("on_rotary_ids")) {
    out.on_rotary_ids = [f, exchange](const RotaryIds& ids) { (void)exchange->ask([&] { show(f, ids); }); };
  }
  if (const nb::handle f = named("wants_attention")) {
    out.wants_attention = [f, exchange](const TapPoint& query) {
      bool wanted = false;
      (void)exchange->ask([&] { wanted = nb::cast<bool>(nb::bool_(show(f, query))); });
      return wanted;
    };
  }
  return out;
}

void bind_hooks(nb::module_& module) {
  bind_tap_event(module);
  bind_positions_event(module);
  bind_decoder_events(module);
  bind_rotary_event(module);
}

}  // namespace azimuth::python
