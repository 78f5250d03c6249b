// azimuth trace: every stage's numbers, for comparison with a reference.
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "azimuth/trace.h"
#include "commands/common.h"
#include "commands/position_options.h"

namespace azimuth::tools {
namespace {

struct TraceCommand {
  ModelOptions model;
  std::string request_file;
  std::string messages_file;
  PositionOptions positions;
  TraceOptions options;
  bool json = false;
};

// The request of --messages: one conversation, with the defaults of a request.
Result<std::string> request_of_messages(const std::string& path) {
  AZ_ASSIGN_OR_RETURN(const std::string text, read_text_file(path));
  const nlohmann::json messages = nlohmann::json::parse(text, nullptr, false);
  if (!messages.is_array()) return invalid_argument(path + " expected a JSON list of messages, found something else");
  return nlohmann::json({{"conversations", nlohmann::json::array({messages})}}).dump();
}

int trace_command(TraceCommand& command) {
  if (command.request_file.empty() == command.messages_file.empty()) {
    return report(invalid_argument("trace expected one of --request FILE and --messages FILE"));
  }
  const bool short_form = command.request_file.empty();
  const Result<std::string> request =
      short_form ? request_of_messages(command.messages_file) : read_text_file(command.request_file);
  if (!request.ok()) return report(request.status());
  if (short_form) command.options.base_directory = directory_of(command.messages_file);
  command.options.positions = command.positions.policy;
  if (!command.positions.ids_file.empty()) {
    Result<std::vector<PositionIds>> ids = read_position_ids(command.positions.ids_file);
    if (!ids.ok()) return report(ids.status());
    command.options.position_ids = std::move(*ids);
  }
  Result<Engine> engine = load_engine(command.model);
  if (!engine.ok()) return report(engine.status());
  const Result<std::string> answer = trace(*engine, *request, command.options);
  if (!answer.ok()) return report(answer.status());
  std::fwrite(answer->data(), 1, answer->size(), stdout);
  std::fputc('\n', stdout);
  return 0;
}

}  // namespace

void add_trace(CLI::App& app, int& exit_code) {
  auto command = std::make_shared<TraceCommand>();
  CLI::App* sub = app.add_subcommand("trace", "Print every stage's numbers as one line of JSON (docs/trace.md)");
  add_model_options(*sub, command->model, "f32");
  sub->add_option("--request", command->request_file, "JSON request; its paths are relative to the working directory")
      ->type_name("FILE");
  sub->add_option("--messages", command->messages_file, "JSON list of messages; its paths are relative to the file")
      ->type_name("FILE");
  add_position_options(*sub, command->positions);
  sub->add_option("--npy", command->options.npy_directory, "Also write full arrays into this directory")
      ->type_name("DIR");
  sub->add_flag("--json", command->json, "Accepted; the answer always is JSON");
  sub->callback([command, &exit_code] { exit_code = trace_command(*command); });
}

}  // namespace azimuth::tools
