// azimuth lint: what the positions of a prompt may do to a model, with a model and without.
#include "azimuth/lint.h"

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "commands/common.h"
#include "commands/lint_table.h"
#include "commands/position_cases.h"
#include "commands/position_options.h"

namespace azimuth::tools {
namespace {

using nlohmann::json;

constexpr int kCheckFailed = 1;

struct LintCommand {
  ModelOptions model;
  std::string prompt;
  std::string messages_file;
  MediaArguments media;
  PositionOptions positions;
  std::string segments;
  std::string cases_file;
  HeadOptions head;
  std::string gaps = "monotone";
  std::string fail_on;
  int64_t max_position = 0;
  bool all = false;
  bool json = false;
};

Result<LintOptions> read_options(const LintCommand& command) {
  LintOptions options;
  AZ_ASSIGN_OR_RETURN(options.gaps, parse_lint_gaps(command.gaps));
  options.max_position = command.max_position;
  options.keeps_cached_rotations = command.positions.frequencies == "as-reference";
  if (!command.fail_on.empty()) AZ_RETURN_IF_ERROR(add_fail_on(command.fail_on, options.fail_on));
  return options;
}

json to_json(const Result<LintReport>& report) {
  return report.ok() ? json::parse(lint_json(*report)) : json{{"error", report.status().message()}};
}

int print_json(const json& out, bool failed) {
  std::puts(out.dump(-1, ' ', false, json::error_handler_t::replace).c_str());
  return failed ? kCheckFailed : 0;
}

int lint_cases(const LintCommand& command, const LintOptions& options) {
  const auto cases = read_position_cases(command.cases_file);
  if (!cases.ok()) return report(cases.status());
  json answers = json::array();
  bool failed = false;
  for (const Result<PositionCase>& each : *cases) {
    const Result<LintReport> answer =
        each.ok() ? lint_spans(each->encoding, each->spans, each->head, options) : Result<LintReport>(each.status());
    failed = failed || (answer.ok() && answer->failed());
    answers.push_back(to_json(answer));
  }
  return print_json(answers, failed);
}

int show_report(const LintCommand& command, const Result<LintReport>& answer) {
  if (!answer.ok()) return report(answer.status());
  if (command.json) return print_json(to_json(answer), answer->failed());
  print_lint_report(*answer);
  return answer->failed() ? kCheckFailed : 0;
}

// A comparison informs: policies that were not chosen do not fail the command.
int show_comparison(const LintCommand& command, const std::vector<LintRowOfTable>& rows) {
  if (!command.json) {
    print_lint_comparison(rows);
    return 0;
  }
  json out = json::object();
  for (const LintRowOfTable& row : rows) out[row.policy] = to_json(row.report);
  return print_json(out, false);
}

int lint_segments(const LintCommand& command, const LintOptions& options) {
  const Result<std::vector<Span>> spans = parse_segments(command.segments);
  if (!spans.ok()) return report(spans.status());
  const auto lint_under = [&](const std::string& policy) { return lint_spans(policy, *spans, command.head, options); };
  if (!command.all) {
    return show_report(command, lint_under(command.positions.policy.empty() ? "vanilla" : command.positions.policy));
  }
  std::vector<LintRowOfTable> rows;
  for (const std::string& policy : position_policies()) rows.push_back({policy, lint_under(policy)});
  return show_comparison(command, rows);
}

Result<Request> make_request(const LintCommand& command) {
  Request request;
  AZ_RETURN_IF_ERROR(apply_position_options(command.positions, request));
  if (!command.messages_file.empty()) {
    AZ_ASSIGN_OR_RETURN(request.messages, read_text_file(command.messages_file));
    request.base_directory = directory_of(command.messages_file);
    return request;
  }
  if (command.prompt.empty() && command.media.empty()) {
    return invalid_argument(
        "lint expected --messages FILE, or a PROMPT and --image FILE; without a model, --segments or --cases");
  }
  AZ_ASSIGN_OR_RETURN(request.messages, messages_for("", command.prompt, command.media));
  return request;
}

int lint_with_model(LintCommand& command, const LintOptions& options) {
  const Result<Request> request = make_request(command);
  if (!request.ok()) return report(request.status());
  command.model.engine.load_weights = false;
  const Result<Engine> engine = load_engine(command.model);
  if (!engine.ok()) return report(engine.status());
  if (!command.all) return show_report(command, lint_prompt(*engine, *request, options));
  const std::vector<std::string> policies = position_policies();
  const auto reports = lint_policies(*engine, *request, policies, options);
  if (!reports.ok()) return report(reports.status());
  std::vector<LintRowOfTable> rows;
  for (size_t i = 0; i < policies.size(); ++i) rows.push_back({policies[i], (*reports)[i]});
  return show_comparison(command, rows);
}

int lint_command(LintCommand& command) {
  const Result<LintOptions> options = read_options(command);
  if (!options.ok()) return report(options.status());
  if (!command.cases_file.empty()) return lint_cases(command, *options);
  if (!command.segments.empty()) return lint_segments(command, *options);
  if (!command.model.model.empty()) return lint_with_model(command, *options);
  return report(invalid_argument("lint expected a MODEL, --segments or --cases FILE; see azimuth lint --help"));
}

void add_abstract_options(CLI::App& sub, LintCommand& command) {
  CLI::Option* segments =
      sub.add_option("--segments", command.segments, "Abstract prompt without a model, such as 't5 i1x4x6 t3'");
  sub.add_option("--cases", command.cases_file,
                 "JSON list of {\"encoding\",\"segments\",...}; prints a list of scores and findings, or {\"error\"}")
      ->type_name("FILE")
      ->excludes(segments);
  sub.add_option("--head-dim", command.head.head_dim, "Width of a head, with --segments")->capture_default_str();
  sub.add_option("--base", command.head.base, "Base of the spectrum, with --segments")->capture_default_str();
  sub.add_option("--kv-heads", command.head.kv_heads, "Key-value heads, with --segments")->capture_default_str();
  sub.add_option("--section", command.head.section, "Rotary pairs for t h w, with --segments")->expected(3);
  sub.add_option("--scaling", command.head.scaling, "rope_parameters as JSON, with --segments");
  sub.add_option("--length", command.head.length, "Sequence length that dynamic scalings see, with --segments");
}

void add_check_options(CLI::App& sub, LintCommand& command) {
  sub.add_option("--fail-on", command.fail_on,
                 "Checks or guidelines (G1, G2, G3) that fail as well; all; none first drops the default ones: cache, "
                 "dtype, batch, monotone, per_image, allocation")
      ->type_name("LIST");
  sub.add_option("--gaps", command.gaps, "Order of ids: monotone, strict (no holes) or off")
      ->capture_default_str()
      ->check(CLI::IsMember({"monotone", "strict", "off"}).description(""));
  sub.add_option("--max-position", command.max_position, "Ids that the model was made for [the model's context]")
      ->type_name("N")
      ->check(in_range(int64_t{1}, int64_t{1} << 40));
  sub.add_option("--frequencies", command.positions.frequencies,
                 "Where frequencies follow the length, cached keys are turned again (rerotate) or kept (as-reference) "
                 "[rerotate]")
      ->type_name("MODE")
      ->check(CLI::IsMember({"rerotate", "as-reference"}).description(""));
}

}  // namespace

void add_lint(CLI::App& app, int& exit_code) {
  auto command = std::make_shared<LintCommand>();
  CLI::App* sub = app.add_subcommand("lint", "Check the positions of a prompt against three guidelines and the cache");
  add_model_options(*sub, command->model, "bf16");
  sub->get_option("MODEL")->required(false);
  sub->add_option("PROMPT", command->prompt, "Question, in place of --messages")->type_name("");
  add_media_options(*sub, command->messages_file, command->media);
  add_position_options(*sub, command->positions);
  add_abstract_options(*sub, *command);
  add_check_options(*sub, *command);
  sub->add_flag("--all", command->all, "One line for each policy, to compare them");
  sub->add_flag("--json", command->json, "Print JSON");
  sub->footer(
      "Exit code 1 where a check fails. Examples:\n"
      "  azimuth lint models/azimuth-tiny \"How many?\" --image models/azimuth-tiny/demo.png --positions videorope\n"
      "  azimuth lint --segments 't8 i1x8x6 t4' --all");
  sub->callback([command, &exit_code] { exit_code = lint_command(*command); });
}

}  // namespace azimuth::tools
