// The linter: what positions may do to a model.
#include "azimuth/lint.h"

#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "bindings.h"
#include "engine.h"
#include "hooks.h"
#include "json_value.h"

namespace azimuth::python {
namespace {

const char* verdict_name(LintVerdict verdict) {
  switch (verdict) {
    case LintVerdict::pass: return "pass";
    case LintVerdict::partly: return "partly";
    case LintVerdict::fail: return "fail";
    case LintVerdict::not_checked: break;
  }
  return "not_checked";
}

nb::dict verdicts_of(const LintReport& report) {
  nb::dict verdicts;
  for (const LintGuideline guideline : {LintGuideline::coherence, LintGuideline::spectrum, LintGuideline::text_prior}) {
    verdicts[std::string(to_string(guideline)).c_str()] = verdict_name(report.verdict(guideline));
  }
  return verdicts;
}

LintOptions options_of(const std::string& gaps, int64_t max_position, const std::vector<std::string>& fail_on) {
  LintOptions options;
  options.gaps = unwrap(parse_lint_gaps(gaps));
  options.max_position = max_position;
  for (const std::string& names : fail_on) check(add_fail_on(names, options.fail_on));
  return options;
}

void bind_report_classes(nb::module_& module) {
  nb::class_<LintFinding>(module, "LintFinding", "Something that the linter found.")
      .def_ro("check", &LintFinding::check)
      .def_prop_ro(
          "severity", [](const LintFinding& finding) { return std::string(to_string(finding.severity)); },
          "\"info\", \"warning\" or \"error\"")
      .def_prop_ro(
          "guideline", [](const LintFinding& finding) { return std::string(to_string(finding.guideline)); },
          "\"G1\", \"G2\", \"G3\" or \"\"")
      .def_ro("message", &LintFinding::message, "What was found, with its numbers.")
      .def_ro("may_cause", &LintFinding::may_cause, "What it may do to answers; may be empty.")
      .def_ro("published", &LintFinding::published, "A published failure that it matches; may be empty.")
      .def_ro("span", &LintFinding::span, "The span concerned; -1: the prompt.")
      .def_ro("begin", &LintFinding::begin, "Tokens concerned.")
      .def_ro("end", &LintFinding::end)
      .def("__repr__", [](const LintFinding& finding) {
        return "LintFinding(" + std::string(to_string(finding.severity)) + ", " + finding.check + ": " +
               finding.message + ")";
      });
  nb::class_<LintCheck>(module, "LintCheck", "One check, and its numbers.")
      .def_ro("name", &LintCheck::name)
      .def_prop_ro("guideline", [](const LintCheck& check) { return std::string(to_string(check.guideline)); })
      .def_ro("checked", &LintCheck::checked, "False: does not apply, or its part of the input is missing.")
      .def_ro("value", &LintCheck::value);
  nb::class_<LintReport>(module, "LintReport", "What the linter says of a prompt under one policy.")
      .def_ro("policy", &LintReport::policy)
      .def_ro("tokens", &LintReport::tokens)
      .def_ro("findings", &LintReport::findings, "Worst first.")
      .def_ro("checks", &LintReport::checks, "In the order of the table.")
      .def_prop_ro("failed", &LintReport::failed, "True where a finding is an error.")
      .def_prop_ro("verdicts", &verdicts_of, nb::sig("def verdicts(self) -> dict[str, str]"),
                   "\"pass\", \"partly\", \"fail\" or \"not_checked\" for the guidelines \"G1\", \"G2\", \"G3\".")
      .def(
          "to_dict", [](const LintReport& report) { return json_value(lint_json(report)); },
          nb::sig("def to_dict(self) -> dict[str, typing.Any]"), "What `azimuth lint --json` prints.")
      .def("__repr__", [](const LintReport& report) {
        return "LintReport(" + report.policy + ", " + std::to_string(report.findings.size()) + " findings" +
               (report.failed() ? ", failed)" : ")");
      });
}

LintReport lint_abstract(const std::string& policy, const std::vector<Span>& spans, const HeadOptions& head,
                         const LintOptions& options) {
  Call call;
  return run_call<LintReport>(call, [=] { return lint_spans(policy, spans, head, options); });
}

LintReport lint_request(const EngineHandle& handle, Request request, nb::handle hooks, const LintOptions& options) {
  Call call;
  request.hooks = engine_hooks(hooks, call.exchange());
  return run_call<LintReport>(call, [engine = handle.get(), request = std::move(request), options] {
    return lint_prompt(*engine, request, options);
  });
}

}  // namespace

void bind_lint(nb::module_& module) {
  bind_report_classes(module);
  nb::class_<LintOptions>(module, "LintOptions")
      .def(
          "__init__",
          [](LintOptions* self, const std::string& gaps, int64_t max_position,
             const std::vector<std::string>& fail_on) {
            new (self) LintOptions(options_of(gaps, max_position, fail_on));
          },
          nb::arg("gaps"), nb::arg("max_position"), nb::arg("fail_on"));
  module.def("lint_spans", &lint_abstract);
  module.def("lint_request", &lint_request, nb::arg("engine"), nb::arg("request"), nb::arg("hooks").none(),
             nb::arg("options"));
}

}  // namespace azimuth::python
