// The request of a trace (docs/trace.md), one Request per sample.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "azimuth/session.h"
#include "azimuth/trace.h"

namespace azimuth::engine {

struct TraceRequest {
  std::vector<Request> samples;
  int64_t max_new_tokens = 24;
  bool ignore_eos = true;
  std::string compat;     // "": as the engine was loaded
  std::string positions;  // policy; "": the checkpoint's own
};

// Gives each sample its ids. invalid_argument where there are not as many.
Status set_position_ids(std::vector<PositionIds> ids, std::string_view where, std::span<Request> samples);

Result<TraceRequest> read_trace_request(const std::string& text, const TraceOptions& options);

}  // namespace azimuth::engine
