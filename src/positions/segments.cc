#include <algorithm>
#include <charconv>
#include <string>

#include "azimuth/positions.h"

namespace azimuth {
namespace {

// Whole numbers joined by x: "1x4x6". Empty where the text is anything else.
std::vector<int64_t> parse_sizes(std::string_view text) {
  std::vector<int64_t> sizes;
  while (true) {
    const size_t cut = text.find('x');
    const std::string_view part = text.substr(0, cut);
    int64_t size = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), size);
    if (part.empty() || error != std::errc() || end != part.data() + part.size()) return {};
    if (size < 0 || size > kMaxAbstractTokens) return {};
    sizes.push_back(size);
    if (cut == std::string_view::npos) return sizes;
    text.remove_prefix(cut + 1);
  }
}

Result<Span> parse_segment(std::string_view word) {
  const char kind = word.front();
  const std::vector<int64_t> sizes = parse_sizes(word.substr(1));
  const bool text = kind == 't' && sizes.size() == 1;
  const bool visual =
      (kind == 'i' || kind == 'v') && sizes.size() == 3 && std::ranges::all_of(sizes, [](int64_t n) { return n > 0; });
  if (!text && !visual) {
    return invalid_argument(
        "a segment expected tN, iTxHxW or vTxHxW with cells in each direction, such as t5 or i1x4x6, found \"" +
        std::string(word.substr(0, 64)) + "\"");
  }
  Span span;
  span.kind = text ? SpanKind::text : kind == 'i' ? SpanKind::image : SpanKind::video;
  if (visual) span.grid = {sizes[0], sizes[1], sizes[2]};
  span.end = text ? sizes[0] : 0;
  return span;
}

}  // namespace

Result<std::vector<Span>> parse_segments(std::string_view text) {
  std::vector<Span> spans;
  int64_t token = 0;
  int images = 0;
  int videos = 0;
  while (true) {
    const size_t begin = text.find_first_not_of(" \t\n,");
    if (begin == std::string_view::npos) break;
    text.remove_prefix(begin);
    const size_t length = std::min(text.find_first_of(" \t\n,"), text.size());
    AZ_ASSIGN_OR_RETURN(Span span, parse_segment(text.substr(0, length)));
    text.remove_prefix(length);
    // Each size is at most 2^22, so that the product of two fits and is checked before the third multiplies.
    const int64_t plane = span.kind == SpanKind::text ? span.end : span.grid.h * span.grid.w;
    const int64_t frames = span.kind == SpanKind::text ? 1 : span.grid.t;
    if (plane > kMaxAbstractTokens || plane * frames > kMaxAbstractTokens - token) {
      return resource_exhausted("segments expected at most " + std::to_string(kMaxAbstractTokens) +
                                " tokens in all, found more");
    }
    span.begin = token;
    token += plane * frames;
    span.end = token;
    if (plane == 0) continue;  // no text at all: as if the segment were not there
    if (span.kind == SpanKind::image) span.media = images++;
    if (span.kind == SpanKind::video) span.media = videos++;
    spans.push_back(span);
  }
  return spans;
}

}  // namespace azimuth
