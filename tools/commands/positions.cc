// azimuth positions: the position of every token of a prompt.
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "commands/common.h"

namespace azimuth::tools {
namespace {

using nlohmann::json;

struct PositionsCommand {
  ModelOptions model;
  std::string messages_file;
  std::string prompt;
  std::vector<std::string> images;
  std::string policy;
  bool json = false;
  bool all = false;
};

const char* kind_name(SpanKind kind) {
  switch (kind) {
    case SpanKind::text: return "text";
    case SpanKind::image: return "image";
    case SpanKind::video: return "video";
  }
  return "";
}

std::string format_id(float id) {
  char text[32];
  std::snprintf(text, sizeof text, id == static_cast<float>(static_cast<long long>(id)) ? "%.0f" : "%.4f",
                static_cast<double>(id));
  return text;
}

json id_number(float id) {
  if (id == static_cast<float>(static_cast<long long>(id))) return static_cast<long long>(id);
  return id;
}

void print_json(const PromptReport& report) {
  const PositionSet& set = report.positions.sets[0];
  json tokens = json::array();
  size_t span = 0;
  for (int64_t i = 0; i < set.tokens(); ++i) {
    while (i >= report.prompt.spans[span].end) ++span;
    json ids = json::array();
    for (int axis = 0; axis < set.axes; ++axis) ids.push_back(id_number(set.token(i)[axis]));
    tokens.push_back({{"index", i},
                      {"id", report.prompt.ids[static_cast<size_t>(i)]},
                      {"text", report.tokens[static_cast<size_t>(i)]},
                      {"span", span},
                      {"position", std::move(ids)}});
  }
  json spans = json::array();
  for (const Span& each : report.prompt.spans) {
    spans.push_back({{"kind", kind_name(each.kind)},
                     {"begin", each.begin},
                     {"end", each.end},
                     {"media", each.media},
                     {"tile", each.tile},
                     {"view", each.view},
                     {"grid", {each.grid.t, each.grid.h, each.grid.w}}});
  }
  const json out = {{"policy", report.policy},
                    {"axes", set.axes},
                    {"spans", std::move(spans)},
                    {"tokens", std::move(tokens)},
                    {"next_text", id_number(set.next_text)},
                    {"next_decode", id_number(set.next_decode)},
                    {"delta", id_number(set.next_decode - static_cast<float>(set.tokens()))},
                    {"axis_of_pair", report.plan.axis},
                    {"inv_freq", report.plan.inv_freq},
                    {"attention_factor", report.plan.attention_scale}};
  std::puts(out.dump(-1, ' ', false, json::error_handler_t::replace).c_str());
}

// A token as it is shown: line ends and tabs spelt out, so that a row stays a row.
std::string shown(const std::string& token) {
  std::string out;
  for (const char c : token) {
    if (c == '\n')
      out += "\\n";
    else if (c == '\t')
      out += "\\t";
    else if (c == '\r')
      out += "\\r";
    else
      out += c;
  }
  return out;
}

void print_row(const PromptReport& report, const PositionSet& set, int64_t index) {
  std::printf("%7lld", static_cast<long long>(index));
  for (int axis = 0; axis < set.axes; ++axis) std::printf(" %9s", format_id(set.token(index)[axis]).c_str());
  std::printf("   %s\n", shown(report.tokens[static_cast<size_t>(index)]).c_str());
}

// Rows of a picture are summed up unless all are asked for: first and last cell say where it lies.
void print_table(const PromptReport& report, bool all) {
  const PositionSet& set = report.positions.sets[0];
  std::printf("policy %s, %lld tokens\n", report.policy.c_str(), static_cast<long long>(set.tokens()));
  std::printf("%7s", "token");
  if (set.axes == 1) std::printf(" %9s", "position");
  for (int axis = 0; set.axes > 1 && axis < set.axes; ++axis) std::printf(" %9c", "thw"[axis]);
  std::printf("   text\n");
  for (const Span& span : report.prompt.spans) {
    if (span.kind == SpanKind::text || all) {
      for (int64_t i = span.begin; i < span.end; ++i) print_row(report, set, i);
      continue;
    }
    print_row(report, set, span.begin);
    if (span.tokens() > 2) {
      std::printf("%7s %s %d: grid %lld x %lld x %lld, %lld tokens\n", "...", kind_name(span.kind), span.media,
                  static_cast<long long>(span.grid.t), static_cast<long long>(span.grid.h),
                  static_cast<long long>(span.grid.w), static_cast<long long>(span.tokens()));
    }
    if (span.tokens() > 1) print_row(report, set, span.end - 1);
  }
  std::printf("%7s %9s   first generated token\n", "next", format_id(set.next_decode).c_str());
}

int positions_command(PositionsCommand& command) {
  Request request;
  request.positions = command.policy;
  if (!command.messages_file.empty()) {
    Result<std::string> text = read_text_file(command.messages_file);
    if (!text.ok()) return report(text.status());
    request.messages = std::move(*text);
    request.base_directory = directory_of(command.messages_file);
  } else if (!command.prompt.empty() || !command.images.empty()) {
    Result<std::string> messages = messages_for("", command.prompt, command.images, {}, 0.0);
    if (!messages.ok()) return report(messages.status());
    request.messages = std::move(*messages);
  } else {
    return report(invalid_argument("positions expected --messages FILE, or --prompt TEXT and --image FILE"));
  }
  command.model.engine.load_weights = false;
  Result<Engine> engine = load_engine(command.model);
  if (!engine.ok()) return report(engine.status());
  const Result<PromptReport> prompt = inspect_prompt(*engine, request);
  if (!prompt.ok()) return report(prompt.status());
  if (command.json) {
    print_json(*prompt);
  } else {
    print_table(*prompt, command.all);
  }
  return 0;
}

}  // namespace

void add_positions(CLI::App& app, int& exit_code) {
  auto command = std::make_shared<PositionsCommand>();
  CLI::App* sub = app.add_subcommand("positions", "Show the position of every token of a prompt; reads no weights");
  add_model_options(*sub, command->model, "bf16");
  sub->add_option("--messages", command->messages_file, "JSON list of messages; its paths are relative to the file")
      ->type_name("FILE");
  sub->add_option("--prompt", command->prompt, "Question, in place of --messages");
  sub->add_option("--image", command->images, "Picture beside --prompt; may be given more than once")
      ->type_name("FILE")
      ->allow_extra_args(false);
  std::string policies;
  for (const std::string& name : position_policies()) policies += (policies.empty() ? "" : ", ") + name;
  sub->add_option("--positions", command->policy, "Position policy [the checkpoint's own]: " + policies)
      ->type_name("POLICY");
  sub->add_flag("--all", command->all, "Print every cell of every picture");
  sub->add_flag("--json", command->json, "Print JSON");
  sub->footer(
      "Example:\n  azimuth positions models/azimuth-tiny --prompt \"How many?\" --image models/azimuth-tiny/demo.png");
  sub->callback([command, &exit_code] { exit_code = positions_command(*command); });
}

}  // namespace azimuth::tools
