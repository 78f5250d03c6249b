#include <algorithm>
#include <cctype>
#include <string>

#include "media/image.h"

namespace azimuth::media {
namespace {

constexpr std::string_view kScheme = "data:";
constexpr std::string_view kEncoding = ";base64";

bool ends_with_encoding(std::string_view head) {
  if (head.size() < kEncoding.size()) return false;
  const std::string_view tail = head.substr(head.size() - kEncoding.size());
  return std::ranges::equal(tail, kEncoding, {}, [](unsigned char c) { return std::tolower(c); });
}

int hex_digit(unsigned char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = static_cast<unsigned char>(std::tolower(c));
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// Replaces %XX by the character; other text stays.
std::string percent_decoded(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 && hex_digit(text[i + 2]) >= 0) {
      result.push_back(static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2])));
      i += 2;
    } else {
      result.push_back(text[i]);
    }
  }
  return result;
}

int base64_digit(unsigned char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  return c == '/' ? 63 : -1;
}

bool is_blank(unsigned char c) {
  return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

std::string shown(unsigned char c) {
  if (c > 0x20 && c < 0x7f) return std::string("'") + static_cast<char>(c) + "'";
  return "byte " + std::to_string(c);
}

Result<std::vector<uint8_t>> decode_base64(std::string_view text) {
  std::vector<uint8_t> bytes;
  bytes.reserve(text.size() / 4 * 3);
  uint32_t bits = 0;
  int digits = 0;
  int padding = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (is_blank(c)) continue;
    if (c == '=') {
      ++padding;
      continue;
    }
    const int digit = base64_digit(c);
    if (digit < 0 || padding > 0) {
      return invalid_argument("base64 was expected behind the comma of a data: URL, found " + shown(c) +
                              " at character " + std::to_string(i) + " of it; encode the picture's bytes as base64");
    }
    bits = bits << 6 | static_cast<uint32_t>(digit);
    if (++digits % 4 == 0) {
      for (int shift : {16, 8, 0}) bytes.push_back(static_cast<uint8_t>(bits >> shift));
      bits = 0;
    }
  }
  const int open = digits % 4;
  if (open == 1 || padding > 2 || (padding > 0 && (open + padding) % 4 != 0)) {
    return invalid_argument("the base64 of a data: URL was expected in groups of four characters, found " +
                            std::to_string(digits) + " characters and " + std::to_string(padding) +
                            " of padding; the URL is probably cut off");
  }
  if (open == 2) bytes.push_back(static_cast<uint8_t>(bits >> 4));
  if (open == 3) {
    bytes.push_back(static_cast<uint8_t>(bits >> 10));
    bytes.push_back(static_cast<uint8_t>(bits >> 2));
  }
  return bytes;
}

}  // namespace

Result<std::vector<uint8_t>> decode_data_url(std::string_view url) {
  const size_t comma = url.find(',');
  if (!url.starts_with(kScheme) || comma == std::string_view::npos) {
    return invalid_argument("a URL of the form data:image/png;base64,... was expected, but it has no comma");
  }
  if (!ends_with_encoding(url.substr(0, comma))) {
    return invalid_argument(
        "a base64 data: URL was expected, but \";base64\" is missing before the comma; encode the "
        "picture's bytes as base64");
  }
  AZ_ASSIGN_OR_RETURN(std::vector<uint8_t> bytes, decode_base64(percent_decoded(url.substr(comma + 1))));
  if (bytes.empty())
    return invalid_argument("picture data was expected behind the comma of a data: URL, found nothing");
  return bytes;
}

}  // namespace azimuth::media
