// Pictures as the pages' scripts read them.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "azimuth/report.h"

namespace azimuth::report {

// Colours of the ramp that a page holds.
inline constexpr int kRampStops = 65;

// [{"span", "frame", "url"}]
nlohmann::json pictures_list(const std::vector<PictureView>& pictures);

}  // namespace azimuth::report
