// Runs the built command as people and scripts do.
#pragma once

#include <sys/wait.h>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

#include "support/temp_directory.h"

namespace azimuth::testing_support {

struct Outcome {
  int exit_code = -1;
  std::string output;
  std::string errors;
};

inline std::string quoted(const std::string& text) {
  return "'" + text + "'";
}

inline Outcome run(const std::string& arguments, const std::string& input = "") {
  const TempDirectory directory;
  const std::string in = directory.write("stdin", input);
  const std::string errors = directory.path("stderr");
  Outcome outcome;
  FILE* pipe =
      popen((quoted(AZIMUTH_BINARY) + " " + arguments + " <" + quoted(in) + " 2>" + quoted(errors)).c_str(), "r");
  char buffer[4096];
  while (const size_t count = fread(buffer, 1, sizeof buffer, pipe)) outcome.output.append(buffer, count);
  const int status = pclose(pipe);
  outcome.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  std::ifstream file(errors);
  outcome.errors = {std::istreambuf_iterator<char>(file), {}};
  return outcome;
}

}  // namespace azimuth::testing_support
