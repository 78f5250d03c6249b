// azimuth quantize: a checkpoint again, with weights of 8 or 4 bits, as a directory that opens by memory map.
#include "azimuth/quantize.h"

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "commands/common.h"

namespace azimuth::tools {
namespace {

struct QuantizeCommand {
  std::string model;
  std::string directory;
  QuantizeOptions options;
  double shard_gigabytes = 5.0;
  bool json = false;
};

int quantize_command(QuantizeCommand& command) {
  command.options.shard_bytes = static_cast<int64_t>(command.shard_gigabytes * 1e9);
  catch_interrupts();
  command.options.cancel = &interrupted();
  ProgressLine line;
  command.options.progress = [&line](double fraction) { line.show("quantising", fraction); };
  const Result<QuantizeReport> result = quantize_checkpoint(command.model, command.directory, command.options);
  line.clear();
  if (!result.ok()) return report(result.status());
  if (command.json) {
    const nlohmann::json out = {{"directory", result->directory},
                                {"type", command.options.type},
                                {"original_bytes", result->original_bytes},
                                {"bytes", result->bytes}};
    std::puts(out.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
    return 0;
  }
  std::printf("%s: %.1f MB of weights in %s, of %.1f MB\n", result->directory.c_str(),
              static_cast<double>(result->bytes) / 1e6, command.options.type.c_str(),
              static_cast<double>(result->original_bytes) / 1e6);
  return 0;
}

}  // namespace

void add_quantize(CLI::App& app, int& exit_code) {
  auto command = std::make_shared<QuantizeCommand>();
  CLI::App* sub = app.add_subcommand(
      "quantize", "Write a checkpoint again in 8 or 4 bits, as a directory that opens at once (docs/quantisation.md)");
  sub->add_option("MODEL", command->model, "Directory of a checkpoint, or org/name in the hub cache")
      ->type_name("")
      ->required();
  sub->add_option("OUT", command->directory, "Directory to make")->type_name("")->required();
  sub->add_option("--type", command->options.type, "Weights: q8 (8.25 bits) or q4 (4.5 bits)")
      ->type_name("TYPE")
      ->check(CLI::IsMember({"q8", "q4"}).description(""))
      ->required();
  sub->add_option("--threads", command->options.threads, "Threads [one per core]")
      ->type_name("N")
      ->check(in_range(1, 1024));
  sub->add_option("--shard-gb", command->shard_gigabytes, "Largest file of weights, in GB [5]")
      ->type_name("N")
      ->check(in_range(0.001, 1e6));
  sub->add_flag("--json", command->json, "Print JSON");
  sub->footer(
      "The original stays as it is. Then:\n  azimuth quantize MODEL MODEL-q4 --type q4\n  azimuth run MODEL-q4 "
      "\"What is in the picture?\" --image picture.png");
  sub->callback([command, &exit_code] { exit_code = quantize_command(*command); });
}

}  // namespace azimuth::tools
