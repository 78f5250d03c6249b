// The public linter: runs the checks and weighs what they find.
#include "azimuth/lint.h"

#include <algorithm>
#include <cmath>

#include "positions/lint/outcome.h"
#include "positions/lint/scores.h"

namespace azimuth {
namespace {

using positions::lint::all_checks;
using positions::lint::Check;
using positions::lint::Context;
using positions::lint::Level;
using positions::lint::Outcome;
using positions::lint::Problem;

bool is_named(const std::vector<std::string>& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

LintSeverity severity_of(const Check& check, Level level, const LintOptions& options) {
  if (level == Level::remark) return LintSeverity::info;
  const bool fails = is_named(options.fail_on, check.name) || is_named(options.fail_on, "all") ||
                     (level == Level::breaks && is_named(options.fail_on, to_string(check.guideline)));
  return fails ? LintSeverity::error : LintSeverity::warning;
}

LintFinding finding_of(const Check& check, Problem problem, const LintOptions& options) {
  LintFinding finding;
  finding.check = check.name;
  finding.severity = severity_of(check, problem.level, options);
  finding.guideline = check.guideline;
  finding.breaks_guideline = check.guideline != LintGuideline::none && problem.level == Level::breaks;
  finding.message = std::move(problem.message);
  finding.may_cause = check.may_cause;
  finding.published = check.published;
  finding.span = problem.span;
  finding.begin = problem.begin;
  finding.end = problem.end;
  return finding;
}

LintVerdict worse(LintVerdict a, LintVerdict b) {
  if (a == LintVerdict::not_checked || b == LintVerdict::not_checked) return a == LintVerdict::not_checked ? b : a;
  return std::max(a, b);
}

LintVerdict verdict_of(const Outcome& outcome) {
  if (!outcome.checked) return LintVerdict::not_checked;
  LintVerdict verdict = LintVerdict::pass;
  for (const Problem& problem : outcome.problems) {
    if (problem.level == Level::breaks) verdict = LintVerdict::fail;
    if (problem.level == Level::partly) verdict = std::max(verdict, LintVerdict::partly);
  }
  return verdict;
}

void add_outcome(const Check& check, Outcome outcome, const LintOptions& options, LintReport& report) {
  if (check.guideline != LintGuideline::none) {
    LintVerdict& verdict = report.verdicts[static_cast<size_t>(check.guideline) - 1];
    verdict = worse(verdict, verdict_of(outcome));
  }
  LintCheck line{check.name, check.guideline, outcome.checked, {}, std::move(outcome.value)};
  for (Problem& problem : outcome.problems) {
    report.findings.push_back(finding_of(check, std::move(problem), options));
    line.found = std::max(line.found.value_or(LintSeverity::info), report.findings.back().severity);
  }
  report.checks.push_back(std::move(line));
}

Status check_sizes(const LintInput& input) {
  const PositionTable& table = input.layout.positions;
  if (table.sets.empty()) return invalid_argument("lint expected at least one id set, found none");
  int64_t tokens = 0;
  for (const Span& span : input.spans) {
    if (span.begin != tokens || span.end < span.begin) {
      return invalid_argument("lint expected spans without gaps, found one that begins at token " +
                              std::to_string(span.begin) + " where " + std::to_string(tokens) + " was expected");
    }
    tokens = span.end;
  }
  for (const PositionSet& set : table.sets) {
    if (set.axes >= 1 && set.axes <= kMaxPositionAxes && static_cast<int64_t>(set.ids.size()) == tokens * set.axes)
      continue;
    return invalid_argument("lint expected ids for " + std::to_string(tokens) + " tokens, found " +
                            std::to_string(set.ids.size()) + " on " + std::to_string(set.axes) + " axes");
  }
  for (const NamedPlan& plan : input.layout.plans) {
    const size_t channels = static_cast<size_t>(plan.plan.groups) * static_cast<size_t>(plan.plan.pairs);
    if (plan.plan.groups >= 1 && plan.plan.pairs >= 0 && plan.plan.axis.size() == channels &&
        plan.plan.inv_freq.size() == channels)
      continue;
    return invalid_argument("lint expected a plan with an axis and a frequency for each of its groups and pairs");
  }
  return ok_status();
}

bool has_finite_ids(const PositionTable& table) {
  for (const PositionSet& set : table.sets) {
    if (!std::isfinite(set.next_text) || !std::isfinite(set.next_decode)) return false;
    if (!std::ranges::all_of(set.ids, [](float id) { return std::isfinite(id); })) return false;
  }
  return true;
}

}  // namespace

std::string_view to_string(LintGuideline guideline) {
  switch (guideline) {
    case LintGuideline::none: return "";
    case LintGuideline::coherence: return "G1";
    case LintGuideline::spectrum: return "G2";
    case LintGuideline::text_prior: return "G3";
  }
  return "";
}

std::string_view to_string(LintSeverity severity) {
  switch (severity) {
    case LintSeverity::info: return "info";
    case LintSeverity::warning: return "warning";
    case LintSeverity::error: return "error";
  }
  return "";
}

std::string_view to_string(LintVerdict verdict) {
  switch (verdict) {
    case LintVerdict::pass: return "pass";
    case LintVerdict::partly: return "partly";
    case LintVerdict::fail: return "fail";
    case LintVerdict::not_checked: return "not checked";
  }
  return "";
}

Result<LintGaps> parse_lint_gaps(std::string_view name) {
  if (name == "monotone") return LintGaps::monotone;
  if (name == "strict") return LintGaps::strict;
  if (name == "off") return LintGaps::off;
  return invalid_argument("gaps expected monotone, strict or off, found \"" + std::string(name) + "\"");
}

std::vector<std::string> lint_checks() {
  std::vector<std::string> names;
  for (const Check& check : all_checks()) names.emplace_back(check.name);
  return names;
}

Status add_fail_on(std::string_view list, std::vector<std::string>& fail_on) {
  std::vector<std::string> known = lint_checks();
  for (const char* other : {"G1", "G2", "G3", "all", "none"}) known.emplace_back(other);
  std::vector<std::string> names = fail_on;
  while (true) {
    const size_t comma = std::min(list.find(','), list.size());
    const std::string name(list.substr(0, comma));
    if (!is_named(known, name)) {
      std::string all;
      for (const std::string& each : known) all += (all.empty() ? "" : ", ") + each;
      return invalid_argument("fail-on expected names of checks or guidelines, found \"" + name + "\"; known are " +
                              all);
    }
    if (name == "none") {
      names.clear();
    } else {
      names.push_back(name);
    }
    if (comma == list.size()) break;
    list.remove_prefix(comma + 1);
  }
  fail_on = std::move(names);
  return ok_status();
}

int64_t LintReport::count(LintSeverity severity) const {
  return std::ranges::count(findings, severity, &LintFinding::severity);
}

Result<LintReport> lint(const LintInput& input, const LintOptions& options) {
  AZ_RETURN_IF_ERROR(check_sizes(input));
  LintReport report;
  report.policy = input.layout.policy;
  report.tokens = input.layout.positions.sets[0].tokens();
  report.verdicts.fill(LintVerdict::not_checked);
  const bool finite = has_finite_ids(input.layout.positions);
  if (finite) report.scores = positions::lint::score(input);
  const Context context{input, options, report.scores};
  for (const Check& check : all_checks()) {
    // Numbers that are none have no order and no distance: what they are is all there is to say.
    const bool runs = finite || check.run == positions::lint::check_dtype;
    add_outcome(check, runs ? check.run(context) : positions::lint::not_checked("ids are no numbers"), options, report);
  }
  std::ranges::stable_sort(report.findings, std::greater<>(), &LintFinding::severity);
  return report;
}

std::vector<LintFinding> lint_rows(std::span<const LintRow> rows, const LintOptions& options) {
  const auto check = std::ranges::find(all_checks(), std::string_view("batch"), &Check::name);
  const auto tokens = [](const LintRow& row) {
    const auto size = static_cast<int64_t>(row.ids.size());
    const int64_t begin = std::clamp<int64_t>(row.begin, 0, size);
    return std::span(row.ids).subspan(static_cast<size_t>(begin),
                                      static_cast<size_t>(std::clamp<int64_t>(row.end, begin, size) - begin));
  };
  std::vector<LintFinding> findings;
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto first = std::ranges::find(rows, rows[i].prompt, &LintRow::prompt);
    if (std::ranges::equal(tokens(*first), tokens(rows[i]))) continue;
    findings.push_back(finding_of(*check,
                                  {Level::warns, "row " + std::to_string(i) + " holds the same prompt as row " +
                                                     std::to_string(first - rows.begin()) + ", and has other ids"},
                                  options));
  }
  return findings;
}

}  // namespace azimuth
