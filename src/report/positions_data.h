// Positions as JSON values: what --json prints and what the page holds.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "azimuth/lint.h"
#include "azimuth/session.h"

namespace azimuth::report {

// The object of `azimuth positions --json`; `lint` may be nullptr.
nlohmann::json positions_object(const PromptReport& report, const LintReport* lint = nullptr);

// "text", "image" or "video".
const char* kind_name(SpanKind kind);
// "t", "h", "w"; "position" where there is one axis only.
std::string axis_name(int axes, int axis);
// Whole numbers as integers, others with at most four decimals.
std::string format_id(double id);
// JSON text in which bytes that are no UTF-8 are replaced.
std::string dump(const nlohmann::json& value);

}  // namespace azimuth::report
