#include "prompt/joined_markers.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace azimuth::prompt {
namespace {

// UTF-8 of what Python's \s matches beyond ASCII.
constexpr std::array<std::string_view, 19> kWideSpaces = {
    "\u0085", "\u00a0", "\u1680", "\u2000", "\u2001", "\u2002", "\u2003", "\u2004", "\u2005", "\u2006",
    "\u2007", "\u2008", "\u2009", "\u200a", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000"};

bool begins_with_space(std::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  if ((first >= 0x09 && first <= 0x0d) || (first >= 0x1c && first <= 0x20)) return true;
  return std::ranges::any_of(kWideSpaces, [&](std::string_view space) { return text.starts_with(space); });
}

bool wants_space(std::string_view rest) {
  return !rest.empty() && rest[0] != '<' && !begins_with_space(rest);
}

// Copies the text and moves its literal ranges along.
class Joiner {
 public:
  explicit Joiner(ExpandedText& text) : text_(text), literal_(std::move(text.literal)) { text_.literal.clear(); }

  // Whether `marker` stands at `at`, outside of literal text.
  bool has_marker(size_t at, std::string_view marker) const {
    if (std::string_view(text_.text).substr(at, marker.size()) != marker) return false;
    return std::ranges::none_of(literal_,
                                [&](const auto& range) { return range.begin < at + marker.size() && at < range.end; });
  }

  void copy_until(size_t end) {
    while (next_ < literal_.size() && literal_[next_].end <= end) {
      const text::ByteRange& range = literal_[next_++];
      text_.literal.push_back({range.begin - from_ + out_.size(), range.end - from_ + out_.size()});
    }
    out_.append(text_.text, from_, end - from_);
    from_ = end;
  }

  void skip(size_t bytes) { from_ += bytes; }
  void write(char character) { out_ += character; }
  void finish() {
    copy_until(text_.text.size());
    text_.text = std::move(out_);
  }

 private:
  ExpandedText& text_;
  std::vector<text::ByteRange> literal_;
  std::string out_;
  size_t from_ = 0;
  size_t next_ = 0;
};

}  // namespace

void join_markers(const std::string& marker, bool space, ExpandedText& text) {
  Joiner joiner(text);
  const std::string_view all = text.text;
  for (size_t at = all.find(marker); at != std::string_view::npos; at = all.find(marker, at)) {
    if (!joiner.has_marker(at, marker)) {
      ++at;
      continue;
    }
    at += marker.size();
    joiner.copy_until(at);
    if (joiner.has_marker(at, marker)) {
      joiner.skip(marker.size());
      at += marker.size();
    }
    if (space && wants_space(all.substr(at))) joiner.write(' ');
  }
  joiner.finish();
}

}  // namespace azimuth::prompt
