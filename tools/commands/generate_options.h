// The options of run and chat that say how an answer is drawn, and how its stages are reported.
#pragma once

#include <CLI/CLI.hpp>

#include "azimuth/session.h"

namespace azimuth::tools {

void add_generate_options(CLI::App& command, GenerateOptions& options);

// Prints on stderr what of the request had been computed before, if anything.
void print_reuse(const Generation& generation);
// Prints time and rate of each stage on stderr, and the above.
void print_stages(const Generation& generation);

}  // namespace azimuth::tools
