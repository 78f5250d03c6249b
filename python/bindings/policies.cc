// Position policies written in Python.
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <optional>
#include <utility>

#include "bindings.h"
#include "call.h"
#include "positions.h"

namespace azimuth::python {
namespace {

// What a policy's function is given. Its layout() works while the function runs.
struct PolicyRequest {
  std::vector<Span> spans;
  std::string compat;
  int layers;
  const PositionRequest* request;

  int64_t tokens() const { return spans.empty() ? 0 : spans.back().end; }
};

const char* compat_name(Compat compat) {
  switch (compat) {
    case Compat::azimuth: return "azimuth";
    case Compat::tf5: return "tf5";
    case Compat::tf4: break;
  }
  return "tf4";
}

PositionTable layout_for(const PolicyRequest& policy, const std::string& name) {
  if (policy.request == nullptr) {
    raise(invalid_argument("layout() was called behind its policy's call; use it while the function runs"));
  }
  return unwrap(policy.request->layout(name));
}

PositionTable table_of(nb::handle answer, const std::string& name) {
  if (nb::isinstance<PositionTable>(answer)) return nb::cast<PositionTable>(answer);
  const std::string what = "position policy " + name;
  PositionTable table;
  table.integral = false;
  if (nb::isinstance<PositionSet>(answer)) {
    table.sets.push_back(nb::cast<PositionSet>(answer));
  } else if (nb::isinstance<nb::tuple>(answer) && nb::len(answer) == 2 && PyNumber_Check(nb::object(answer[1]).ptr())) {
    table.sets.push_back(position_set(answer[0], what.c_str()));
    table.sets[0].next_text = table.sets[0].next_decode = nb::cast<double>(nb::float_(answer[1]));
  } else {
    table.sets.push_back(position_set(answer, what.c_str()));
  }
  return table;
}

Result<PositionTable> ask_policy(nb::handle function, const std::string& name, const PositionRequest& request) {
  std::optional<PositionTable> table;
  const std::function<void()> call = [&] {
    auto shown = std::make_shared<PolicyRequest>(PolicyRequest{{request.spans.begin(), request.spans.end()},
                                                               compat_name(request.options.compat),
                                                               request.options.layers,
                                                               &request});
    struct End {
      PolicyRequest& shown;
      ~End() { shown.request = nullptr; }
    } const end{*shown};
    table = table_of(function(shown), name);
  };
  const auto exchange = Exchange::current();
  if (exchange == nullptr) return internal_error("position policy " + name + " was asked outside of a call");
  AZ_RETURN_IF_ERROR(exchange->ask(call));
  return std::move(*table);
}

}  // namespace

void bind_policies(nb::module_& module) {
  nb::class_<PolicyRequest>(module, "PolicyRequest", "What a position policy lays out.")
      .def_ro("spans", &PolicyRequest::spans, "Of the prompt, covering its tokens.")
      .def_prop_ro("tokens", &PolicyRequest::tokens)
      .def_ro("compat", &PolicyRequest::compat, "\"azimuth\", \"tf5\" or \"tf4\".")
      .def_ro("layers", &PolicyRequest::layers, "Of the decoder; 0 without a model.")
      .def("layout", &layout_for, nb::arg("policy"),
           "The PositionTable of the same prompt under a built-in policy, such as \"vanilla\" or "
           "\"videorope:delta=2\".");

  // Keeps the functions until the interpreter ends; the engine knows them by address.
  module.attr("_policy_functions") = nb::list();
  module.def(
      "register_position_policy", [module](const std::string& name, const std::string& plan, nb::object function) {
        const nb::handle kept = function;
        check(register_position_policy(
            name, plan, [kept, name](const PositionRequest& request) { return ask_policy(kept, name, request); }));
        nb::cast<nb::list>(nb::handle(module).attr("_policy_functions")).append(function);
      });
}

}  // namespace azimuth::python
