// The options of run and chat that say how an answer is drawn, and how its stages are reported.
#pragma once

#include <CLI/CLI.hpp>

#include "azimuth/session.h"

namespace azimuth::tools {

void add_generate_options(CLI::App& command, GenerateOptions& options);

// Prints time and rate of each stage on stderr.
void print_stages(const Generation& generation);

}  // namespace azimuth::tools
