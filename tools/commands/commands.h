// Every subcommand adds itself to the application and leaves its exit code in `exit_code`.
#pragma once

namespace CLI {
class App;
}

namespace azimuth::tools {

inline constexpr int kBadUsage = 2;  // bad usage or bad input; 1 is a check that was asked for and failed

void add_run(CLI::App& app, int& exit_code);
void add_chat(CLI::App& app, int& exit_code);
void add_trace(CLI::App& app, int& exit_code);
void add_positions(CLI::App& app, int& exit_code);
void add_attend(CLI::App& app, int& exit_code);
void add_info(CLI::App& app, int& exit_code);
void add_layout(CLI::App& app, int& exit_code);
void add_lint(CLI::App& app, int& exit_code);
void add_bench(CLI::App& app, int& exit_code);
void add_encode(CLI::App& app, int& exit_code);
void add_quantize(CLI::App& app, int& exit_code);
void add_score(CLI::App& app, int& exit_code);

}  // namespace azimuth::tools
