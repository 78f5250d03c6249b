#include "report/shown_text.h"

#include <cstdint>
#include <cstdio>
#include <vector>

namespace azimuth::report {
namespace {

constexpr uint32_t kReplacement = 0xFFFD;

// The code point at the start of `text`, which is taken off; U+FFFD and one byte for what is no UTF-8.
uint32_t take_code_point(std::string_view& text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  const size_t length = first < 0x80                    ? 1
                        : first >= 0xF0 && first < 0xF8 ? 4
                        : first >= 0xE0                 ? 3
                        : first >= 0xC2                 ? 2
                                                        : 0;
  if (length == 1 || length == 0 || first >= 0xF8 || text.size() < length) {
    text.remove_prefix(1);
    return length == 1 ? first : kReplacement;
  }
  uint32_t point = first & (0xFF >> (length + 1));
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) {
      text.remove_prefix(1);
      return kReplacement;
    }
    point = point << 6 | (byte(i) & 0x3F);
  }
  text.remove_prefix(length);
  return point;
}

bool is_invisible(uint32_t point) {
  return point < 0x20 || (point >= 0x7F && point < 0xA0) || point == 0xAD || (point >= 0x200B && point <= 0x200F) ||
         (point >= 0x2028 && point <= 0x202E) || (point >= 0x2060 && point <= 0x206F) || point == 0xFEFF;
}

int columns_of(uint32_t point) {
  if (point >= 0x300 && point < 0x370) return 0;  // combining marks
  const bool wide = (point >= 0x1100 && point < 0x1160) || (point >= 0x2E80 && point < 0xA4D0) ||
                    (point >= 0xAC00 && point < 0xD7A4) || (point >= 0xF900 && point < 0xFB00) ||
                    (point >= 0xFF00 && point < 0xFF61) || (point >= 0x1F300 && point < 0x1FB00) || point >= 0x20000;
  return wide ? 2 : 1;
}

std::string spelt_out(uint32_t point) {
  switch (point) {
    case '\n': return "\\n";
    case '\t': return "\\t";
    case '\r': return "\\r";
    default: break;
  }
  char text[16];
  std::snprintf(text, sizeof text, "\\u{%x}", static_cast<unsigned>(point));
  return text;
}

struct Piece {
  std::string text;
  int columns = 0;
};

std::vector<Piece> pieces_of(std::string_view token) {
  std::vector<Piece> pieces;
  while (!token.empty()) {
    const std::string_view before = token;
    const uint32_t point = take_code_point(token);
    Piece piece{std::string(before.substr(0, before.size() - token.size())), columns_of(point)};
    if (point == kReplacement) piece.text = "\xEF\xBF\xBD";
    if (is_invisible(point)) {
      piece.text = spelt_out(point);
      piece.columns = static_cast<int>(piece.text.size());
    }
    pieces.push_back(std::move(piece));
  }
  const auto show_blank = [](Piece& piece) {
    if (piece.text != " ") return false;
    piece.text = "\xE2\x90\xA3";  // an open box
    return true;
  };
  for (size_t i = 0; i < pieces.size() && show_blank(pieces[i]); ++i) {
  }
  for (size_t i = pieces.size(); i > 0 && show_blank(pieces[i - 1]); --i) {
  }
  return pieces;
}

}  // namespace

std::string shown_text(std::string_view token, int columns) {
  std::string out;
  int used = 0;
  for (const Piece& piece : pieces_of(token)) {
    used += piece.columns;
    if (used > columns) return out + "\xE2\x80\xA6";
    out += piece.text;
  }
  return out;
}

int text_columns(std::string_view text) {
  int columns = 0;
  while (!text.empty()) columns += columns_of(take_code_point(text));
  return columns;
}

}  // namespace azimuth::report
