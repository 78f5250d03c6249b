// The files of src/report/pages, compiled in.
#pragma once

#include <string_view>

namespace azimuth::report {

// Content of the file `name`; empty where there is none.
std::string_view page_file(std::string_view name);

}  // namespace azimuth::report
