#include "report/attend_data.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <span>

#include "azimuth/report.h"
#include "report/positions_data.h"

namespace azimuth::report {
namespace {

using nlohmann::json;

// Six digits, which is what f32 weights are good for, keep files small.
double six_digits(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value);
  return std::strtod(text, nullptr);
}

json numbers(std::span<const float> values) {
  json list = json::array();
  for (const float value : values) list.push_back(six_digits(static_cast<double>(value)));
  return list;
}

json layer_object(const LayerAttention& layer) {
  json visual = json::array();
  const size_t cells = layer.visual.size() / static_cast<size_t>(std::max(1, layer.heads));
  for (size_t head = 0; head < static_cast<size_t>(layer.heads); ++head) {
    visual.push_back(numbers(std::span(layer.visual).subspan(head * cells, cells)));
  }
  double share = 0.0;
  for (const float each : layer.visual_share) share += static_cast<double>(each) / layer.heads;
  return {{"visual_share", numbers(layer.visual_share)},
          {"mean_visual_share", six_digits(share)},
          {"visual", std::move(visual)},
          {"mean", numbers(layer.mean)}};
}

const std::string& text_of(const AttendReport& report, int64_t token) {
  const std::vector<std::string>& prompt = report.prompt.tokens;
  const auto index = static_cast<size_t>(token);
  return index < prompt.size() ? prompt[index] : report.generated_tokens[index - prompt.size()];
}

json queries_of(const AttendReport& report) {
  json queries = json::array();
  for (const AttendQuery& query : report.queries) {
    json layers = json::array();
    for (const LayerAttention& layer : query.layers) layers.push_back(layer_object(layer));
    queries.push_back({{"token", query.token},
                       {"text", text_of(report, query.token)},
                       {"generated", query.token >= static_cast<int64_t>(report.prompt.tokens.size())},
                       {"layers", std::move(layers)}});
  }
  return queries;
}

// Where a token of a picture lies; null where its features are not laid out as cells.
json cell_of(const Prompt& prompt, int64_t token) {
  for (size_t index = 0; index < prompt.spans.size(); ++index) {
    const Span& span = prompt.spans[index];
    if (token < span.begin || token >= span.end) continue;
    if (span.kind == SpanKind::text || span.grid.cells() != span.tokens()) return nullptr;
    const int64_t cell = token - span.begin;
    return {{"span", index},
            {"frame", cell / (span.grid.h * span.grid.w)},
            {"row", cell / span.grid.w % span.grid.h},
            {"column", cell % span.grid.w}};
  }
  return nullptr;
}

json sinks_of(const AttendReport& report) {
  json sinks = json::array();
  for (size_t layer = 0; layer < report.sinks.size(); ++layer) {
    const AttentionSink& sink = report.sinks[layer];
    json object = {{"layer", layer},
                   {"token", sink.token},
                   {"text", text_of(report, sink.token)},
                   {"weight", six_digits(sink.weight)}};
    if (sink.visual_token >= 0) {
      object["visual_token"] = sink.visual_token;
      object["visual_weight"] = six_digits(sink.visual_weight);
      object["cell"] = cell_of(report.prompt.prompt, sink.visual_token);
    }
    sinks.push_back(std::move(object));
  }
  return sinks;
}

}  // namespace

json attend_object(const AttendReport& report) {
  const json positions = positions_object(report.prompt);
  json generated = json::array();
  for (size_t i = 0; i < report.generated_ids.size(); ++i) {
    generated.push_back({{"id", report.generated_ids[i]}, {"text", report.generated_tokens[i]}});
  }
  return {{"policy", report.prompt.policy},        {"spans", positions["spans"]},
          {"tokens", positions["tokens"]},         {"generated", std::move(generated)},
          {"visual_tokens", report.visual_tokens}, {"queries", queries_of(report)},
          {"sink_queries", report.sink_queries},   {"sinks", sinks_of(report)}};
}

}  // namespace azimuth::report

namespace azimuth {

std::string attend_json(const AttendReport& report) {
  return report::dump(report::attend_object(report));
}

}  // namespace azimuth
