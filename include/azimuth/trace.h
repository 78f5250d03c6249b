// Every stage's numbers for one batch of requests, in the format of docs/trace.md: for comparison with a reference.
#pragma once

#include <string>

#include "azimuth/engine.h"
#include "azimuth/status.h"

namespace azimuth {

struct TraceOptions {
  std::string base_directory;  // of relative paths; "": the working directory
  std::string npy_directory;   // "": none; otherwise full arrays are written there as .npy files
};

// `request` is a JSON object; the answer is one JSON object on one line.
Result<std::string> trace(const Engine& engine, const std::string& request, const TraceOptions& options = {});

}  // namespace azimuth
