#include "report/positions_data.h"

#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "azimuth/report.h"

namespace azimuth::report {
namespace {

using nlohmann::json;

bool is_whole(double id) {
  return std::isfinite(id) && std::abs(id) < kMaxPositionId && id == std::trunc(id);
}

json id_number(double id) {
  if (is_whole(id)) return static_cast<int64_t>(id);
  return id;
}

json ids_of(const PositionSet& set, int64_t token) {
  json ids = json::array();
  for (int axis = 0; axis < set.axes; ++axis) ids.push_back(id_number(set.token(token)[axis]));
  return ids;
}

json axis_list(uint8_t axes) {
  json list = json::array();
  for (int axis = 0; axis < kMaxPositionAxes; ++axis) {
    if ((axes >> axis & 1) != 0) list.push_back(axis);
  }
  return list;
}

json overlap_object(const TokenOverlap& overlap) {
  return {{"ahead", axis_list(overlap.ahead)}, {"shared", axis_list(overlap.shared)}};
}

json tokens_of(const PromptReport& report) {
  const PositionSet& set = report.positions.sets[0];
  const std::vector<TokenOverlap> overlaps = find_overlaps(report);
  json tokens = json::array();
  size_t span = 0;
  for (int64_t i = 0; i < set.tokens(); ++i) {
    while (i >= report.prompt.spans[span].end) ++span;
    const auto index = static_cast<size_t>(i);
    json token = {{"index", i},
                  {"id", report.prompt.ids[index]},
                  {"text", report.tokens[index]},
                  {"span", span},
                  {"position", ids_of(set, i)}};
    if (overlaps[index].any()) token["overlap"] = overlap_object(overlaps[index]);
    tokens.push_back(std::move(token));
  }
  return tokens;
}

json spans_of(const Prompt& prompt) {
  json spans = json::array();
  for (const Span& span : prompt.spans) {
    spans.push_back({{"kind", kind_name(span.kind)},
                     {"begin", span.begin},
                     {"end", span.end},
                     {"media", span.media},
                     {"tile", span.tile},
                     {"view", span.view},
                     {"grid", {span.grid.t, span.grid.h, span.grid.w}}});
    if (span.kind == SpanKind::video) spans.back()["seconds"] = {span.start_seconds, span.step_seconds};
  }
  return spans;
}

// Every id set, where there are several: ids [tokens][axes], and overlap of each token (null: none).
json sets_of(const PromptReport& report) {
  json sets = json::array();
  for (size_t index = 0; index < report.positions.sets.size(); ++index) {
    const PositionSet& set = report.positions.sets[index];
    json positions = json::array();
    for (int64_t i = 0; i < set.tokens(); ++i) positions.push_back(ids_of(set, i));
    json overlaps = json::array();
    for (const TokenOverlap& each : find_overlaps(report, index)) {
      overlaps.push_back(each.any() ? overlap_object(each) : json());
    }
    sets.push_back({{"position", std::move(positions)},
                    {"overlap", std::move(overlaps)},
                    {"next_text", id_number(set.next_text)},
                    {"next_decode", id_number(set.next_decode)}});
  }
  return sets;
}

// One list, or one for each group of KV heads where they differ.
template <typename T>
json by_group(const std::vector<T>& values, int groups) {
  if (groups == 1 || values.empty()) return values;
  json lists = json::array();
  const size_t width = values.size() / static_cast<size_t>(groups);
  for (size_t begin = 0; begin < values.size(); begin += width) {
    lists.push_back(std::vector<T>(values.begin() + static_cast<std::ptrdiff_t>(begin),
                                   values.begin() + static_cast<std::ptrdiff_t>(begin + width)));
  }
  return lists;
}

json findings_of(const LintReport& lint) {
  json findings = json::array();
  for (const LintFinding& finding : lint.findings) {
    findings.push_back({{"check", finding.check},
                        {"severity", to_string(finding.severity)},
                        {"guideline", to_string(finding.guideline)},
                        {"message", finding.message},
                        {"may_cause", finding.may_cause},
                        {"published", finding.published},
                        {"begin", finding.begin},
                        {"end", finding.end}});
  }
  return findings;
}

}  // namespace

const char* kind_name(SpanKind kind) {
  switch (kind) {
    case SpanKind::text: return "text";
    case SpanKind::image: return "image";
    case SpanKind::video: return "video";
  }
  return "";
}

std::string axis_name(int axes, int axis) {
  if (axes == 1) return "position";
  if (axis < 3) return std::string(1, "thw"[axis]);
  return "axis " + std::to_string(axis);
}

std::string format_id(double id) {
  char text[64];
  if (is_whole(id)) {
    std::snprintf(text, sizeof text, "%d", static_cast<int>(id));
    return text;
  }
  std::snprintf(text, sizeof text, "%.4f", id);
  std::string trimmed = text;
  trimmed.erase(trimmed.find_last_not_of('0') + 1);
  if (trimmed.back() == '.') trimmed.pop_back();
  return trimmed == "-0" ? "0" : trimmed;
}

std::string dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

json spectrum_of(const FrequencyPlan& plan) {
  return {{"axis_of_pair", by_group(plan.axis, plan.groups)},
          {"inv_freq", by_group(plan.inv_freq, plan.groups)},
          {"attention_factor", plan.attention_scale}};
}

json positions_object(const PromptReport& report, const LintReport* lint) {
  const PositionSet& set = report.positions.sets[0];
  json out = {{"policy", report.policy},
              {"axes", set.axes},
              {"spans", spans_of(report.prompt)},
              {"tokens", tokens_of(report)},
              {"next_text", id_number(set.next_text)},
              {"next_decode", id_number(set.next_decode)},
              {"delta", id_number(set.next_decode - static_cast<double>(set.tokens()))}};
  out.update(spectrum_of(report.plan));
  for (const NamedPlan& plan : report.plans) out["layer_types"][plan.layer_type] = spectrum_of(plan.plan);
  if (report.positions.sets.size() > 1) {
    out["sets"] = sets_of(report);
    out["set_of_layer"] = report.positions.set_of_layer;
  }
  if (lint != nullptr) out["findings"] = findings_of(*lint);
  return out;
}

}  // namespace azimuth::report

namespace azimuth {

std::string positions_json(const PromptReport& report, const LintReport* lint) {
  return report::dump(report::positions_object(report, lint));
}

}  // namespace azimuth
