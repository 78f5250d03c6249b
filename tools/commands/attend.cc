// azimuth attend: how much a model looks at a picture, and where.
#include "azimuth/attend.h"

#include <cstdio>
#include <filesystem>
#include <memory>

#include "azimuth/report.h"
#include "commands/common.h"
#include "commands/position_options.h"

namespace azimuth::tools {
namespace {

struct AttendCommand {
  ModelOptions model;
  AttendOptions options;
  std::string prompt;
  std::string messages_file;
  MediaArguments media;
  PositionOptions positions;
  std::string html_file;
  bool json = false;
};

Result<Request> make_request(const AttendCommand& command) {
  Request request;
  AZ_RETURN_IF_ERROR(apply_position_options(command.positions, request));
  if (!command.messages_file.empty()) {
    if (!command.prompt.empty() || !command.media.empty()) {
      return invalid_argument(
          "--messages expected to be the whole request, found a PROMPT or pictures beside it; put them into the file");
    }
    AZ_ASSIGN_OR_RETURN(request.messages, read_text_file(command.messages_file));
    request.base_directory = directory_of(command.messages_file);
    return request;
  }
  if (command.prompt.empty()) return invalid_argument("attend expected a PROMPT or --messages FILE, found neither");
  AZ_ASSIGN_OR_RETURN(request.messages, messages_for("", command.prompt, command.media));
  return request;
}

double mean_share(const LayerAttention& layer) {
  double sum = 0.0;
  for (const float share : layer.visual_share) sum += static_cast<double>(share);
  return layer.heads == 0 ? 0.0 : sum / layer.heads;
}

std::string token_text(const AttendReport& report, int64_t token) {
  const auto index = static_cast<size_t>(token);
  const size_t prompt = report.prompt.tokens.size();
  return one_line(index < prompt ? report.prompt.tokens[index] : report.generated_tokens[index - prompt]);
}

void print_query(const AttendReport& report, const AttendQuery& query) {
  std::printf("query: token %lld %s\n%7s %8s   %s\n", static_cast<long long>(query.token),
              token_text(report, query.token).c_str(), "layer", "mean", "share on pictures by head");
  for (size_t layer = 0; layer < query.layers.size(); ++layer) {
    std::printf("%7zu %7.2f%%  ", layer, 100.0 * mean_share(query.layers[layer]));
    for (const float share : query.layers[layer].visual_share) {
      std::printf(" %6.2f%%", 100.0 * static_cast<double>(share));
    }
    std::printf("\n");
  }
}

void print_sinks(const AttendReport& report) {
  std::printf("most attended by %zu text tokens, mean over heads\n", report.sink_queries.size());
  for (size_t layer = 0; layer < report.sinks.size(); ++layer) {
    const AttentionSink& sink = report.sinks[layer];
    std::printf("%7zu %7.2f%%   token %lld %s", layer, 100.0 * sink.weight, static_cast<long long>(sink.token),
                token_text(report, sink.token).c_str());
    if (sink.visual_token >= 0) {
      std::printf("; of pictures %.2f%%, token %lld", 100.0 * sink.visual_weight,
                  static_cast<long long>(sink.visual_token));
    }
    std::printf("\n");
  }
}

Status show_attention(AttendCommand& command) {
  AZ_ASSIGN_OR_RETURN(const Request request, make_request(command));
  AZ_ASSIGN_OR_RETURN(const Engine engine, load_engine(command.model));
  AttendPage page{std::filesystem::path(engine.info().directory).filename().string(), {}, {}};
  AZ_ASSIGN_OR_RETURN(page.report, attend(engine, request, command.options));
  if (command.json) {
    std::puts(attend_json(page.report).c_str());
  } else if (command.html_file.empty()) {
    for (const AttendQuery& query : page.report.queries) print_query(page.report, query);
    print_sinks(page.report);
  }
  if (command.html_file.empty()) return ok_status();
  AZ_ASSIGN_OR_RETURN(page.pictures, picture_views(engine, request));
  return write_text_file(command.html_file, attend_html(page));
}

int attend_command(AttendCommand& command) {
  const Status status = show_attention(command);
  return status.ok() ? 0 : report(status);
}

}  // namespace

void add_attend(CLI::App& app, int& exit_code) {
  auto command = std::make_shared<AttendCommand>();
  CLI::App* sub = app.add_subcommand("attend", "Show how much a model looks at a picture, and where");
  add_model_options(*sub, command->model, "bf16");
  sub->add_option("PROMPT", command->prompt, "The question")->type_name("");
  add_media_options(*sub, command->messages_file, command->media);
  add_position_options(*sub, command->positions);
  sub->add_option("--query", command->options.queries,
                  "Prompt token whose attention is read, negative from the end; may be given more than once [-1]")
      ->type_name("N")
      ->allow_extra_args(false);
  sub->add_option("--generated", command->options.generated, "Also of the first N tokens of the answer [0]")
      ->type_name("N")
      ->check(in_range(int64_t{0}, int64_t{1} << 20));
  sub->add_option("--html", command->html_file, "Write a page to explore; one file that loads nothing")
      ->type_name("FILE");
  sub->add_flag("--json", command->json, "Print JSON");
  sub->footer(
      "Example:\n"
      "  azimuth attend models/azimuth-tiny \"How many shapes are there?\" --image models/azimuth-tiny/demo.png "
      "--html attend.html");
  sub->callback([command, &exit_code] { exit_code = attend_command(*command); });
}

}  // namespace azimuth::tools
