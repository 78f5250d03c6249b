// What page and drawing share.
#pragma once

#include <string>

#include "azimuth/report.h"

namespace azimuth::report {

// invalid_argument unless there are one or two policies of the same prompt, and a lint report for each or for none.
Status check_page(const PositionsPage& page);
// "mrope", or "mrope and vanilla".
std::string policy_names(const PositionsPage& page);

}  // namespace azimuth::report
