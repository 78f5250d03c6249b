// Token text for a drawing, where it has to fit.
#pragma once

#include <string>
#include <string_view>

namespace azimuth::report {

// `token` with line ends, tabs, blanks at the ends and invisible characters spelt out, and cut to `columns` columns of
// a fixed-width font, with an ellipsis where something was cut.
std::string shown_text(std::string_view token, int columns);
// Columns that `text` takes in a fixed-width font: two for wide East Asian characters, one for others.
int text_columns(std::string_view text);

}  // namespace azimuth::report
