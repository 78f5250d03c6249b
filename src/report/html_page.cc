#include "report/html_page.h"

#include <nlohmann/json.hpp>

#include "report/page_files.h"
#include "report/positions_data.h"

namespace azimuth::report {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// A round through JSON turns bytes that are no UTF-8 into U+FFFD.
std::string valid_utf8(std::string_view text) {
  return nlohmann::json::parse(dump(nlohmann::json(std::string(text)))).get<std::string>();
}

}  // namespace

std::string escape_markup(std::string_view text) {
  std::string out;
  for (const char c : valid_utf8(text)) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      case '\t':
      case '\n':
      case '\r': out += c; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
          out += kReplacement;
        } else {
          out += c;
        }
    }
  }
  return out;
}

std::string embed_json(const nlohmann::json& value) {
  std::string out;
  for (const char c : dump(value)) {
    // Outside of strings JSON has none of the three; inside, an escape means the same.
    switch (c) {
      case '<': out += "\\u003c"; break;
      case '>': out += "\\u003e"; break;
      case '&': out += "\\u0026"; break;
      default: out += c;
    }
  }
  return out;
}

std::string fill_page(std::string_view name, const std::map<std::string, std::string, std::less<>>& values) {
  std::string out;
  std::string_view rest = page_file(name);
  for (size_t open = rest.find("{{"); open != std::string_view::npos; open = rest.find("{{")) {
    const size_t close = rest.find("}}", open);
    if (close == std::string_view::npos) break;
    const std::string_view place = rest.substr(open + 2, close - open - 2);
    out += rest.substr(0, open);
    const auto value = values.find(place);
    out += value != values.end() ? std::string_view(value->second) : page_file(place);
    rest.remove_prefix(close + 2);
  }
  out += rest;
  return out;
}

}  // namespace azimuth::report
