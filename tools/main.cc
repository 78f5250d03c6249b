// The `azimuth` command: one file of commands/ per subcommand.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "azimuth/log.h"
#include "commands/commands.h"

int main(int argc, char** argv) {
  azimuth::set_log_callback([](azimuth::LogLevel level, std::string_view message) {
    if (level < azimuth::LogLevel::warning) return;
    std::fprintf(stderr, "azimuth: %.*s\n", static_cast<int>(message.size()), message.data());
  });
  CLI::App app(
      "Runs vision-language checkpoints from their Hugging Face directory on the CPU, and shows the position of every "
      "token.\n\nMODEL is a directory, or org/name in the hub cache (fetch one with: hf download ORG/NAME).",
      "azimuth");
  app.require_subcommand(1);
  app.footer(
      "Examples:\n"
      "  azimuth run models/azimuth-tiny \"How many shapes are there?\" --image models/azimuth-tiny/demo.png\n"
      "  azimuth chat MODEL\n"
      "  azimuth positions MODEL --messages messages.json\n"
      "  azimuth COMMAND --help      more about one command");
  int exit_code = 0;
  for (const auto add : {azimuth::tools::add_run, azimuth::tools::add_chat, azimuth::tools::add_trace,
                         azimuth::tools::add_positions, azimuth::tools::add_attend, azimuth::tools::add_layout,
                         azimuth::tools::add_lint, azimuth::tools::add_info, azimuth::tools::add_score,
                         azimuth::tools::add_bench, azimuth::tools::add_encode, azimuth::tools::add_quantize}) {
    add(app, exit_code);
  }
  app.failure_message([](const CLI::App*, const CLI::Error& error) {
    return std::string("azimuth: ") + error.what() + "; see azimuth --help or azimuth COMMAND --help\n";
  });
  const auto named = [&](const CLI::App* command) { return command->get_name() == argv[1]; };
  if (argc > 1 && argv[1][0] != '-' && app.get_subcommands(named).empty()) {
    std::fprintf(stderr, "azimuth: expected a command that azimuth --help lists, found \"%s\"\n", argv[1]);
    return azimuth::tools::kBadUsage;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : azimuth::tools::kBadUsage;
  }
  return exit_code;
}
