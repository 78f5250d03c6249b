// The options that say which positions a request runs with, and a printer of what reaches the rotary embedding.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "azimuth/hooks.h"
#include "azimuth/session.h"
#include "azimuth/status.h"

namespace azimuth::tools {

struct PositionOptions {
  std::string policy;
  std::string ids_file;
  std::string keys;
  std::string frequencies;
};

// --positions and --position-ids.
void add_position_options(CLI::App& command, PositionOptions& options);
// --keys and --frequencies, of commands that keep a cache.
void add_cache_options(CLI::App& command, PositionOptions& options);

// Errors: those of reading the file of ids, which must hold one sample.
Status apply_position_options(const PositionOptions& options, Request& request);

// Prints on stderr, for every pass, layer type and id set, the ids that its cosines are made from: of a prompt the
// range on each axis for each span, of a generated token the id on each axis.
class PositionPrinter {
 public:
  // The hooks refer to the printer.
  void attach(Hooks& hooks);

 private:
  void print(const RotaryIds& ids) const;
  void print_run(const RotaryIds& ids, int64_t begin, int64_t end, const std::string& label) const;

  std::vector<Span> spans_;
};

}  // namespace azimuth::tools
