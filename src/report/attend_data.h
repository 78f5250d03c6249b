// Attention as JSON values: what --json prints and what the page holds.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "azimuth/attend.h"

namespace azimuth::report {

// The object of `azimuth attend --json`.
nlohmann::json attend_object(const AttendReport& report);

}  // namespace azimuth::report
