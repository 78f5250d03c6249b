// Positions as data: ids, frequencies, policies, and layouts without a model.
#include "positions.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cmath>

#include "arrays.h"
#include "bindings.h"
#include "call.h"

namespace azimuth::python {

PositionSet position_set(nb::handle ids, const char* what) {
  std::vector<size_t> shape;
  const std::vector<float> values = floats_of(ids, what, shape);
  if ((shape.size() != 1 && shape.size() != 2) ||
      (shape.size() == 2 && (shape[0] == 0 || shape[0] > kMaxPositionAxes))) {
    raise(invalid_argument(std::string(what) + " expected ids of shape (tokens,) or (axes, tokens), found " +
                           shape_text(shape)));
  }
  PositionSet set;
  const size_t axes = shape.size() == 1 ? 1 : shape[0];
  const size_t tokens = shape.back();
  set.axes = static_cast<int>(axes);
  set.ids.resize(values.size());
  double largest = -1.0;
  for (size_t axis = 0; axis < axes; ++axis) {
    for (size_t token = 0; token < tokens; ++token) {
      const float id = values[axis * tokens + token];
      set.ids[token * axes + axis] = id;
      largest = std::max(largest, static_cast<double>(id));
    }
  }
  set.next_text = set.next_decode = largest + 1.0;
  return set;
}

nb::object ids_view(nb::handle object) {
  auto& set = nb::cast<PositionSet&>(object);
  const size_t shape[] = {static_cast<size_t>(set.axes), static_cast<size_t>(set.tokens())};
  const int64_t strides[] = {1, set.axes};
  return nb::cast(nb::ndarray<nb::numpy, float>(set.ids.data(), 2, shape, object, strides));
}

namespace {

// Into the memory that views of the set see: its size stays.
void assign_ids(PositionSet& set, nb::handle ids) {
  const PositionSet given = position_set(ids, "ids");
  if (given.axes != set.axes || given.ids.size() != set.ids.size()) {
    raise(invalid_argument("ids expected the shape (" + std::to_string(set.axes) + ", " + std::to_string(set.tokens()) +
                           "), found (" + std::to_string(given.axes) + ", " + std::to_string(given.tokens()) +
                           "); make a PositionTable for other sizes"));
  }
  std::copy(given.ids.begin(), given.ids.end(), set.ids.begin());
}

PositionSet make_set(nb::handle ids, std::optional<double> next_text, std::optional<double> next_decode) {
  PositionSet set = position_set(ids, "PositionSet");
  if (next_text) set.next_text = set.next_decode = *next_text;
  if (next_decode) set.next_decode = *next_decode;
  return set;
}

PositionTable make_table(std::vector<PositionSet> sets, std::vector<int> set_of_layer) {
  if (sets.empty()) raise(invalid_argument("PositionTable expected at least one id set, found none"));
  for (const int set : set_of_layer) {
    if (set < 0 || static_cast<size_t>(set) >= sets.size()) {
      raise(out_of_range("set_of_layer expected numbers of the " + std::to_string(sets.size()) + " id sets, found " +
                         std::to_string(set)));
    }
  }
  PositionTable table;
  const auto whole = [](float id) { return std::nearbyint(id) == id; };
  table.integral =
      std::ranges::all_of(sets, [&](const PositionSet& set) { return std::ranges::all_of(set.ids, whole); });
  table.sets = std::move(sets);
  table.set_of_layer = std::move(set_of_layer);
  return table;
}

// The sets themselves, not copies, so that their ids can be edited.
nb::list sets_of(nb::handle object) {
  auto& table = nb::cast<PositionTable&>(object);
  nb::list out;
  for (PositionSet& set : table.sets) out.append(nb::cast(&set, nb::rv_policy::reference_internal, object));
  return out;
}

void bind_tables(nb::module_& module) {
  nb::class_<PositionSet>(module, "PositionSet", "One id for each token and axis, and how the sequence goes on.")
      .def(
          "__init__",
          [](PositionSet* self, nb::handle ids, std::optional<double> next_text, std::optional<double> next_decode) {
            new (self) PositionSet(make_set(ids, next_text, next_decode));
          },
          nb::arg("ids"), nb::arg("next_text") = nb::none(), nb::arg("next_decode") = nb::none(),
          "ids: (tokens,) or (axes, tokens), whole numbers or fractions. next_text: the id of text behind the last "
          "token, one more than the largest id unless given; next_decode: of the first generated token, likewise.")
      .def_ro("axes", &PositionSet::axes)
      .def_prop_rw("ids", &ids_view, &assign_ids,
                   "(axes, tokens) float32, axes in the order t, h, w. A view: editing it edits the table.",
                   nb::for_getter(nb::sig("def ids(self, /) -> numpy.typing.NDArray[numpy.float32]")))
      .def_rw("next_text", &PositionSet::next_text, "Id of a text token that would follow the prompt.")
      .def_rw("next_decode", &PositionSet::next_decode, "Id of the first generated token.")
      .def_prop_ro("tokens", &PositionSet::tokens)
      .def("__repr__", [](const PositionSet& set) {
        return "PositionSet(axes=" + std::to_string(set.axes) + ", tokens=" + std::to_string(set.tokens()) + ")";
      });

  nb::class_<PositionTable>(module, "PositionTable",
                            "The positions of one sequence: one id set, or several that layers choose from.")
      .def(
          "__init__",
          [](PositionTable* self, std::vector<PositionSet> sets, std::vector<int> set_of_layer) {
            new (self) PositionTable(make_table(std::move(sets), std::move(set_of_layer)));
          },
          nb::arg("sets"), nb::arg("set_of_layer") = std::vector<int>())
      .def_prop_ro("sets", &sets_of, nb::sig("def sets(self) -> list[PositionSet]"),
                   "The id sets; usually one. Editing their ids edits the table.")
      .def_ro("set_of_layer", &PositionTable::set_of_layer, "The id set of each layer; empty: every layer uses set 0.")
      .def_prop_rw(
          "ids", [](nb::handle self) { return nb::object(sets_of(self)[0].attr("ids")); },
          [](nb::handle self, nb::handle ids) { assign_ids(nb::cast<PositionTable&>(self).sets[0], ids); },
          nb::for_getter(nb::sig("def ids(self, /) -> numpy.typing.NDArray[numpy.float32]")),
          "(axes, tokens) of the first set.")
      .def_prop_rw(
          "next_decode", [](const PositionTable& table) { return table.sets[0].next_decode; },
          [](PositionTable& table, double next) { table.sets[0].next_decode = next; },
          "Id of the first generated token, of the first set.")
      .def_prop_rw(
          "next_text", [](const PositionTable& table) { return table.sets[0].next_text; },
          [](PositionTable& table, double next) { table.sets[0].next_text = next; })
      .def("__repr__", [](const PositionTable& table) {
        return "PositionTable(sets=" + std::to_string(table.sets.size()) +
               ", axes=" + std::to_string(table.sets[0].axes) + ", tokens=" + std::to_string(table.sets[0].tokens()) +
               ")";
      });

  nb::class_<PositionIds>(module, "PositionIds", "Ids in place of a policy's; made by azimuth.position_ids().")
      .def(
          "__init__",
          [](PositionIds* self, const std::vector<PositionSet>& sets, const std::vector<std::optional<double>>& nexts,
             std::vector<int> set_of_layer, bool continues) {
            new (self) PositionIds{};
            for (size_t i = 0; i < sets.size(); ++i) self->sets.push_back({sets[i].axes, sets[i].ids, nexts.at(i)});
            self->set_of_layer = std::move(set_of_layer);
            self->continues = continues;
          },
          nb::arg("sets"), nb::arg("nexts"), nb::arg("set_of_layer"), nb::arg("continues"))
      .def_static(
          "read", [](const std::string& path) { return unwrap(read_position_ids(path)); }, nb::arg("path"));
}

void bind_plans(nb::module_& module) {
  nb::class_<FrequencyPlan>(module, "FrequencyPlan",
                            "Which coordinate turns which rotary pair, how fast, for each group of KV heads.")
      .def_ro("groups", &FrequencyPlan::groups, "Groups of KV heads that turn differently; 1: all heads alike.")
      .def_ro("pairs", &FrequencyPlan::pairs, "Rotary pairs of a head.")
      .def_prop_ro(
          "axis",
          [](const FrequencyPlan& plan) {
            return to_numpy(plan.axis, {static_cast<size_t>(plan.groups), static_cast<size_t>(plan.pairs)});
          },
          nb::sig("def axis(self) -> numpy.typing.NDArray[numpy.int8]"),
          "(groups, pairs) int8: 0 t, 1 h, 2 w; -1 where a pair never turns.")
      .def_prop_ro(
          "inv_freq",
          [](const FrequencyPlan& plan) {
            return to_numpy(plan.inv_freq, {static_cast<size_t>(plan.groups), static_cast<size_t>(plan.pairs)});
          },
          nb::sig("def inv_freq(self) -> numpy.typing.NDArray[numpy.float32]"),
          "(groups, pairs) float32, radians per unit of id.")
      .def_ro("attention_scale", &FrequencyPlan::attention_scale, "Multiplies cosine and sine.")
      .def_prop_ro(
          "pairing",
          [](const FrequencyPlan& plan) {
            return std::string(plan.pairing == Pairing::halves ? "halves" : "interleaved");
          },
          "Which channels form a pair: \"halves\" (p with p + pairs) or \"interleaved\" (2p with 2p + 1).");

  nb::class_<NamedPlan>(module, "NamedPlan", "A frequency plan with the layers that it belongs to.")
      .def_ro("layer_type", &NamedPlan::layer_type, "Empty where all layers have the same.")
      .def_ro("plan", &NamedPlan::plan);

  nb::class_<PositionLayout>(module, "PositionLayout", "Positions and frequencies of a prompt under one policy.")
      .def_ro("policy", &PositionLayout::policy, "With its parameters.")
      .def_ro("positions", &PositionLayout::positions)
      .def_prop_ro(
          "ids", [](nb::handle self) { return nb::object(self.attr("positions").attr("ids")); },
          nb::sig("def ids(self) -> numpy.typing.NDArray[numpy.float32]"), "(axes, tokens) of the first set.")
      .def_ro("plans", &PositionLayout::plans, "One per layer type; empty for policies that turn nothing.")
      .def("__repr__", [](const PositionLayout& layout) { return "PositionLayout(" + layout.policy + ")"; });
}

void bind_descriptions(nb::module_& module) {
  nb::class_<PolicyParameter>(module, "PolicyParameter")
      .def_ro("name", &PolicyParameter::name)
      .def_ro("fallback", &PolicyParameter::fallback, "Its value where none is given; empty: unset.")
      .def_ro("help", &PolicyParameter::help);
  nb::class_<PolicyDescription>(module, "PolicyDescription", "A position policy, for people.")
      .def_ro("name", &PolicyDescription::name)
      .def_ro("summary", &PolicyDescription::summary)
      .def_ro("source", &PolicyDescription::source, "Paper, model family or file.")
      .def_ro("mechanism", &PolicyDescription::mechanism, "\"rotary\", \"embedding\", \"score term\" or \"reserved\".")
      .def_ro("axes", &PolicyDescription::axes)
      .def_ro("plan", &PolicyDescription::plan, "The frequency plan that it runs with.")
      .def_ro("parameters", &PolicyDescription::parameters)
      .def("__repr__", [](const PolicyDescription& policy) { return "PolicyDescription(" + policy.name + ")"; });
  module.def("policies", &describe_position_policies);
}

void bind_layouts(nb::module_& module) {
  nb::class_<HeadOptions>(module, "HeadOptions")
      .def(nb::init<>())
      .def_rw("head_dim", &HeadOptions::head_dim)
      .def_rw("base", &HeadOptions::base)
      .def_rw("kv_heads", &HeadOptions::kv_heads)
      .def_rw("section", &HeadOptions::section)
      .def_rw("scaling", &HeadOptions::scaling)
      .def_rw("length", &HeadOptions::length)
      .def("set_compat", [](HeadOptions& head, const std::string& name) { head.compat = unwrap(parse_compat(name)); });
  module.def("parse_segments", [](const std::string& text) { return unwrap(parse_segments(text)); });
  module.def("layout", [](const std::vector<Span>& spans, const std::string& policy, const HeadOptions& head) {
    Call call;
    return run_call<PositionLayout>(call, [=] { return layout_spans(policy, spans, head); });
  });
}

}  // namespace

void bind_positions(nb::module_& module) {
  bind_tables(module);
  bind_plans(module);
  bind_descriptions(module);
  bind_layouts(module);
}

}  // namespace azimuth::python
