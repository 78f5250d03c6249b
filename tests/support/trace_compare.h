// Compares two traces (docs/trace.md) stage by stage, in the order in which the program computes them, so that the
// first difference that is reported is the cause and not one of its consequences.
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "azimuth/status.h"

namespace azimuth::testing {

// What design and docs/trace.md allow for small checkpoints; deep ones get 2e-3.
inline constexpr double kTraceTolerance = 2e-4;

struct StageReport {
  std::string stage;         // the field's name
  size_t compared = 0;       // numbers and strings looked at
  double worst_ratio = 0.0;  // largest error in units of its tolerance; infinite where equality is asked for
  std::string worst_at;      // where that was
  std::optional<std::string> difference;  // the first one: where, what was expected, what arrived, how far off
};

struct TraceReport {
  std::vector<StageReport> stages;  // those that the expected trace has, in pipeline order
  std::vector<std::string> ties;    // greedy choices that the reference's margin leaves open

  bool equal() const { return first_difference() == nullptr; }
  const StageReport* first_difference() const;
  std::string summary() const;  // one line, and one per tie
  std::string table() const;    // one line per stage
};

TraceReport compare_traces(const nlohmann::json& expected, const nlohmann::json& actual,
                           double tolerance = kTraceTolerance);

// As above on the printed form. Errors: invalid_argument where a text is not one JSON object.
Result<TraceReport> compare_trace_texts(std::string_view expected, std::string_view actual,
                                        double tolerance = kTraceTolerance);

}  // namespace azimuth::testing
