// azimuth layout: the positions of an abstract prompt under any policy, without a model.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "commands/common.h"
#include "commands/position_cases.h"

namespace azimuth::tools {
namespace {

using nlohmann::json;

struct LayoutCommand {
  std::string segments;
  std::string cases_file;
  std::string policy = "vanilla";
  HeadOptions head;
  bool list = false;
  bool json = false;
};

json to_json(const PositionLayout& layout) {
  json out = set_json(layout.positions.sets[0]);
  out["policy"] = layout.policy;
  out.update(plan_json(layout.plans.front().plan));
  if (layout.plans.size() > 1) {
    for (const NamedPlan& plan : layout.plans) out["layer_types"][plan.layer_type] = plan_json(plan.plan);
  }
  if (layout.positions.sets.size() > 1) {
    for (const PositionSet& set : layout.positions.sets) out["sets"].push_back(set_json(set));
  }
  return out;
}

int run_cases(const std::string& path) {
  const auto cases = read_position_cases(path);
  if (!cases.ok()) return report(cases.status());
  json answers = json::array();
  for (const Result<PositionCase>& each : *cases) {
    const Result<PositionLayout> layout =
        each.ok() ? layout_spans(each->encoding, each->spans, each->head) : Result<PositionLayout>(each.status());
    answers.push_back(layout.ok() ? to_json(*layout) : json{{"error", layout.status().message()}});
  }
  std::puts(answers.dump(-1, ' ', false, json::error_handler_t::replace).c_str());
  return 0;
}

// ---- for people

std::string shown(double id) {
  return id_text(id, 3);
}

// "4..7", or "4" where all ids are equal.
std::string id_range(const PositionSet& set, const Span& span, int axis) {
  float low = set.token(span.begin)[axis];
  float high = low;
  for (int64_t token = span.begin; token < span.end; ++token) {
    low = std::min(low, set.token(token)[axis]);
    high = std::max(high, set.token(token)[axis]);
  }
  return low == high ? shown(low) : shown(low) + ".." + shown(high);
}

std::string name_of(const Span& span) {
  if (span.kind == SpanKind::text) return "text";
  return std::string(span.kind == SpanKind::image ? "image " : "video ") + std::to_string(span.grid.t) + "x" +
         std::to_string(span.grid.h) + "x" + std::to_string(span.grid.w);
}

constexpr int64_t kShownCells = 24;  // rows and columns of a grid that is written out

// The first frame's ids, one grid per axis side by side.
void print_grid(const PositionSet& set, const Span& span) {
  if (span.grid.h > kShownCells || span.grid.w * set.axes > kShownCells) return;
  for (int64_t r = 0; r < span.grid.h; ++r) {
    std::printf("%12s", "");
    for (int axis = 0; axis < set.axes; ++axis) {
      std::printf("  %c", r == 0 && set.axes > 1 ? "thw"[axis] : ' ');
      for (int64_t c = 0; c < span.grid.w; ++c) {
        std::printf(" %*s", set.axes > 1 ? 6 : 8, shown(set.token(span.begin + r * span.grid.w + c)[axis]).c_str());
      }
    }
    std::puts("");
  }
}

void print_set(const PositionSet& set, const std::vector<Span>& spans) {
  for (const Span& span : spans) {
    std::printf("%5lld..%-5lld %-16s", static_cast<long long>(span.begin), static_cast<long long>(span.end - 1),
                name_of(span).c_str());
    for (int axis = 0; axis < set.axes; ++axis) {
      std::printf("  %s%s", set.axes > 1 ? (std::string(1, "thw"[axis]) + " ").c_str() : "ids ",
                  id_range(set, span, axis).c_str());
    }
    std::puts("");
    if (span.kind != SpanKind::text) print_grid(set, span);
  }
  const double delta = set.next_decode - static_cast<double>(set.tokens());
  std::printf("next text %s, first generated token %s (delta %s)\n", shown(set.next_text).c_str(),
              shown(set.next_decode).c_str(), shown(delta).c_str());
}

// Rotary pairs of each axis, as a string of letters from the fastest pair to the slowest.
void print_plan(const NamedPlan& named) {
  const FrequencyPlan& plan = named.plan;
  if (plan.pairs == 0) return void(std::puts("no pair turns: the policy adds to embeddings or scores"));
  for (int group = 0; group < plan.groups; ++group) {
    std::string letters;
    for (int pair = 0; pair < plan.pairs; ++pair) {
      const int axis = plan.axis[static_cast<size_t>(group * plan.pairs + pair)];
      letters += axis < 0 ? '-' : "thw"[axis];
    }
    const std::string who = plan.groups > 1 ? "KV head " + std::to_string(group) : named.layer_type;
    std::printf("pairs, fastest first  %s%s%s\n", letters.c_str(), who.empty() ? "" : "  ", who.c_str());
  }
}

int run_segments(const LayoutCommand& command) {
  const Result<std::vector<Span>> spans = parse_segments(command.segments);
  if (!spans.ok()) return report(spans.status());
  const Result<PositionLayout> layout = layout_spans(command.policy, *spans, command.head);
  if (!layout.ok()) return report(layout.status());
  if (command.json) {
    std::puts(to_json(*layout).dump().c_str());
    return 0;
  }
  std::printf("policy %s\n", layout->policy.c_str());
  for (size_t i = 0; i < layout->positions.sets.size(); ++i) {
    if (layout->positions.sets.size() > 1) std::printf("id set %zu\n", i);
    print_set(layout->positions.sets[i], *spans);
  }
  for (const NamedPlan& plan : layout->plans) print_plan(plan);
  return 0;
}

int list_policies() {
  for (const PolicyDescription& policy : describe_position_policies()) {
    std::printf("%-16s %s\n%-16s from %s; %s%s\n", policy.name.c_str(), policy.summary.c_str(), "",
                policy.source.c_str(), policy.mechanism.c_str(),
                policy.mechanism == "rotary" ? (", plan " + policy.plan).c_str() : "");
    for (const PolicyParameter& parameter : policy.parameters) {
      std::printf("%-16s   %s=%s  %s\n", "", parameter.name.c_str(), parameter.fallback.c_str(),
                  parameter.help.c_str());
    }
  }
  return 0;
}

int layout_command(const LayoutCommand& command) {
  if (command.list) return list_policies();
  if (!command.cases_file.empty()) return run_cases(command.cases_file);
  return run_segments(command);
}

}  // namespace

void add_layout(CLI::App& app, int& exit_code) {
  auto command = std::make_shared<LayoutCommand>();
  CLI::App* sub = app.add_subcommand("layout", "Positions of an abstract prompt under any policy; needs no model");
  CLI::Option_group* what = sub->add_option_group("what");
  what->add_option(
      "--segments", command->segments,
      "The prompt: tN is N text tokens, iTxHxW an image and vTxHxW a video of so many cells after merging, "
      "such as 't5 i1x4x6 t3'");
  what->add_option("--cases", command->cases_file,
                   "JSON list of {\"encoding\",\"segments\",...}; prints a list of {\"ids\",\"delta\",\"decode\",...} "
                   "or {\"error\"}");
  what->add_flag("--list", command->list, "List the policies with their parameters");
  what->require_option(1);
  sub->add_option("--positions", command->policy, "NAME or NAME:KEY=VALUE,..., such as videorope:delta=2")
      ->capture_default_str();
  sub->add_option("--head-dim", command->head.head_dim, "Width of a head")->capture_default_str();
  sub->add_option("--base", command->head.base, "Base of the spectrum")->capture_default_str();
  sub->add_option("--kv-heads", command->head.kv_heads, "Key-value heads")->capture_default_str();
  sub->add_option("--section", command->head.section, "Rotary pairs for t h w")->expected(3);
  sub->add_option("--scaling", command->head.scaling, "rope_parameters as JSON, such as {\"rope_type\":\"yarn\",...}");
  sub->add_option("--length", command->head.length, "Sequence length that dynamic scalings see");
  sub->add_flag("--json", command->json, "Print JSON");
  sub->footer(
      "Examples:\n  azimuth layout --segments 't5 i1x4x6 t3' --positions videorope\n"
      "  azimuth layout --list");
  sub->callback([command, &exit_code] { exit_code = layout_command(*command); });
}

}  // namespace azimuth::tools
