// azimuth positions: the position of every token of a prompt.
#include <cstdio>
#include <filesystem>
#include <memory>

#include "azimuth/lint.h"
#include "azimuth/report.h"
#include "commands/common.h"
#include "commands/position_cases.h"
#include "commands/position_options.h"

namespace azimuth::tools {
namespace {

struct PositionsCommand {
  ModelOptions model;
  std::string messages_file;
  std::string prompt;
  MediaArguments media;
  PositionOptions positions;
  std::string compare;
  std::string html_file;
  std::string svg_file;
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

void print_row(const PromptReport& report, const PositionSet& set, int64_t index) {
  std::printf("%7lld", static_cast<long long>(index));
  for (int axis = 0; axis < set.axes; ++axis) std::printf(" %9s", id_text(set.token(index)[axis], 4).c_str());
  std::printf("   %s\n", one_line(report.tokens[static_cast<size_t>(index)]).c_str());
}

// Which view of a panorama a span is; nothing for other pictures.
std::string view_name(const Span& span) {
  if (span.views == 1) return "";
  if (span.global_view) return ", the whole panorama";
  return ", tile " + std::to_string(span.view) + " of " + std::to_string(span.views - 1);
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
      std::printf("%7s %s %d%s: grid %lld x %lld x %lld, %lld tokens\n", "...", kind_name(span.kind), span.media,
                  view_name(span).c_str(), static_cast<long long>(span.grid.t), static_cast<long long>(span.grid.h),
                  static_cast<long long>(span.grid.w), static_cast<long long>(span.tokens()));
    }
    if (span.tokens() > 1) print_row(report, set, span.end - 1);
  }
  std::printf("%7s %9s   first generated token\n", "next", id_text(set.next_decode, 4).c_str());
}

Result<Request> make_request(const PositionsCommand& command) {
  Request request;
  AZ_RETURN_IF_ERROR(apply_position_options(command.positions, request));
  if (!command.messages_file.empty()) {
    AZ_ASSIGN_OR_RETURN(request.messages, read_text_file(command.messages_file));
    request.base_directory = directory_of(command.messages_file);
    return request;
  }
  if (command.prompt.empty() && command.media.empty()) {
    return invalid_argument("positions expected --messages FILE, or --prompt TEXT and --image FILE");
  }
  AZ_ASSIGN_OR_RETURN(request.messages, messages_for("", command.prompt, command.media));
  return request;
}

// Page and drawing, where they are asked for.
Status write_drawings(const PositionsCommand& command, const Engine& engine, const Request& request,
                      PositionsPage page) {
  AZ_ASSIGN_OR_RETURN(page.pictures, picture_views(engine, request));
  if (!command.html_file.empty()) {
    AZ_ASSIGN_OR_RETURN(const std::string html, positions_html(page));
    AZ_RETURN_IF_ERROR(write_text_file(command.html_file, html));
  }
  if (!command.svg_file.empty()) {
    AZ_ASSIGN_OR_RETURN(const std::string svg, positions_svg(page));
    AZ_RETURN_IF_ERROR(write_text_file(command.svg_file, svg));
  }
  return ok_status();
}

void print_findings(const LintReport& lint) {
  for (const LintFinding& finding : lint.findings) {
    std::printf("%s: %s%s%s: %s\n", std::string(to_string(finding.severity)).c_str(),
                std::string(to_string(finding.guideline)).c_str(), finding.guideline == LintGuideline::none ? "" : " ",
                finding.check.c_str(), finding.message.c_str());
  }
}

// Adds the prompt under the request's policy, and what the linter says to it.
Status add_policy(const Engine& engine, const Request& request, PositionsPage& page) {
  AZ_ASSIGN_OR_RETURN(PromptReport report, inspect_prompt(engine, request));
  AZ_ASSIGN_OR_RETURN(LintReport lint, lint_prompt(engine, request));
  page.policies.push_back(std::move(report));
  page.lint.push_back(std::move(lint));
  return ok_status();
}

Status show_positions(PositionsCommand& command) {
  const bool draws = !command.html_file.empty() || !command.svg_file.empty();
  if (!command.compare.empty() && !draws) {
    return invalid_argument("--compare draws two policies side by side and expected --html FILE or --svg FILE");
  }
  AZ_ASSIGN_OR_RETURN(const Request request, make_request(command));
  command.model.engine.load_weights = false;
  AZ_ASSIGN_OR_RETURN(const Engine engine, load_engine(command.model));
  PositionsPage page;
  page.model = std::filesystem::path(engine.info().directory).filename().string();
  AZ_RETURN_IF_ERROR(add_policy(engine, request, page));
  if (command.json) {
    std::puts(positions_json(page.policies[0], &page.lint[0]).c_str());
  } else if (!draws) {
    if (request.position_ids) std::printf("ids from %s\n", command.positions.ids_file.c_str());
    print_table(page.policies[0], command.all);
    print_findings(page.lint[0]);
  }
  if (!draws) return ok_status();
  if (!command.compare.empty()) {
    Request other = request;
    other.positions = command.compare;
    other.position_ids.reset();
    AZ_RETURN_IF_ERROR(add_policy(engine, other, page));
  }
  return write_drawings(command, engine, request, std::move(page));
}

int positions_command(PositionsCommand& command) {
  const Status status = show_positions(command);
  return status.ok() ? 0 : report(status);
}

}  // namespace

void add_positions(CLI::App& app, int& exit_code) {
  auto command = std::make_shared<PositionsCommand>();
  CLI::App* sub = app.add_subcommand("positions", "Show the position of every token of a prompt; reads no weights");
  add_model_options(*sub, command->model, "bf16");
  sub->add_option("--prompt", command->prompt, "Question, in place of --messages");
  add_media_options(*sub, command->messages_file, command->media);
  add_position_options(*sub, command->positions);
  sub->add_option("--compare", command->compare, "Second policy, drawn beside the first")->type_name("POLICY");
  sub->add_option("--html", command->html_file, "Write a page to explore; one file that loads nothing")
      ->type_name("FILE");
  sub->add_option("--svg", command->svg_file, "Write a still drawing")->type_name("FILE");
  sub->add_flag("--all", command->all, "Print every cell of every picture");
  sub->add_flag("--json", command->json, "Print JSON");
  sub->footer(
      "Examples:\n"
      "  azimuth positions models/azimuth-tiny --prompt \"How many?\" --image models/azimuth-tiny/demo.png\n"
      "  azimuth positions models/azimuth-tiny --messages messages.json --compare vanilla --html positions.html");
  sub->callback([command, &exit_code] { exit_code = positions_command(*command); });
}

}  // namespace azimuth::tools
