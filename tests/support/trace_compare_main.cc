// azimuth_trace_compare EXPECTED ACTUAL: names the first stage in which two traces differ. Exit code 0 where they are
// equal, 1 where they differ, 2 where a file is no trace.
#include <CLI/CLI.hpp>
#include <fstream>
#include <iostream>
#include <iterator>

#include "support/trace_compare.h"

namespace {

std::string read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Compares two traces stage by stage.");
  std::string expected, actual;
  double tolerance = azimuth::testing::kTraceTolerance;
  bool verbose = false;
  app.add_option("expected", expected, "the reference's trace")->required()->check(CLI::ExistingFile);
  app.add_option("actual", actual, "the trace to check")->required()->check(CLI::ExistingFile);
  app.add_option("--tolerance", tolerance, "errors allowed, in standard deviations of the compared tensor");
  app.add_flag("--verbose", verbose, "one line per stage");
  CLI11_PARSE(app, argc, argv);

  const auto report = azimuth::testing::compare_trace_texts(read_text(expected), read_text(actual), tolerance);
  if (!report.ok()) {
    std::cerr << report.status().message() << "\n";
    return 2;
  }
  if (verbose) std::cout << report->table();
  std::cout << report->summary() << "\n";
  return report->equal() ? 0 : 1;
}
