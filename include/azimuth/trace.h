// Every stage's numbers for one batch of requests, in the format of docs/trace.md: for comparison with a reference.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "azimuth/engine.h"
#include "azimuth/hooks.h"
#include "azimuth/position_ids.h"
#include "azimuth/status.h"

namespace azimuth {

struct TraceOptions {
  std::string base_directory;                 // of relative paths; "": the working directory
  std::string npy_directory;                  // "": none; otherwise full arrays are written there as .npy files
  std::string positions;                      // policy, in place of the request's own "positions"; "": that one
  std::vector<PositionIds> position_ids;      // one for each sample, in place of the request's "position_ids"; or none
  Hooks hooks;                                // of every sample
  const std::atomic<bool>* cancel = nullptr;  // set it from any thread
};

// `request` is a JSON object; the answer is one JSON object on one line.
Result<std::string> trace(const Engine& engine, const std::string& request, const TraceOptions& options = {});

}  // namespace azimuth
