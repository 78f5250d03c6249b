// Pages are templates with {{name}} places.
#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace azimuth::report {

// `text` as the content of an HTML or XML element or of a quoted attribute. Bytes that are no UTF-8 and characters that
// XML forbids become U+FFFD.
std::string escape_markup(std::string_view text);
// JSON for the inside of a <script>: no character in it can end the element or start a comment.
std::string embed_json(const nlohmann::json& value);

// The page file `name` with each {{place}} filled: from `values`, else with the page file of that name. What is filled
// in is not scanned for places again.
std::string fill_page(std::string_view name, const std::map<std::string, std::string, std::less<>>& values);

}  // namespace azimuth::report
