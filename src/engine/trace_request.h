// The request of a trace (docs/trace.md), one Request per sample.
#pragma once

#include <string>
#include <vector>

#include "azimuth/session.h"
#include "azimuth/trace.h"

namespace azimuth::engine {

struct TraceRequest {
  std::vector<Request> samples;
  int64_t max_new_tokens = 24;
  bool ignore_eos = true;
  std::string compat;  // "": as the engine was loaded
};

Result<TraceRequest> read_trace_request(const std::string& text, const TraceOptions& options);

}  // namespace azimuth::engine
