// Whether what is indexed per picture or video is used in order, exactly once, with the counts that it promises
// (positions.md 5.4, per_image).
#include "positions/lint/outcome.h"

namespace azimuth::positions::lint {
namespace {

std::string name_of(const Span& span) {
  return std::string(span.kind == SpanKind::image ? "image " : "video ") + std::to_string(span.media);
}

// The span that came last of one kind of media.
struct Last {
  int media = -1;
  int tile = -1;
  int tiles = 1;
};

// What is wrong with the order of media and tiles at `span`; "" where nothing is.
std::string order_error(const Span& span, Last& last) {
  const bool again = span.media == last.media;
  const int expected = last.media + 1;
  const bool ended = last.tile + 1 == last.tiles || last.media < 0;
  std::string error;
  if (!again && span.media != expected) {
    error = name_of(span) + " comes where number " + std::to_string(expected) + " was expected";
  } else if (!again && !ended) {
    error = name_of(span) + " begins after tile " + std::to_string(last.tile) + " of " + std::to_string(last.tiles) +
            " of the one before";
  } else if (span.kind == SpanKind::image && span.tile != (again ? last.tile + 1 : 0)) {
    error = name_of(span) + " has tile " + std::to_string(span.tile) + " where tile " +
            std::to_string(again ? last.tile + 1 : 0) + " was expected";
  }
  last = {span.media, span.kind == SpanKind::image ? span.tile : 0, span.kind == SpanKind::image ? span.tiles : 1};
  return error;
}

int64_t expected_tokens(const Span& span) {
  switch (span.delivery) {
    case Delivery::injected: return span.features > 0 ? span.features : span.grid.cells();
    case Delivery::row_suffix: return span.grid.cells() + span.grid.t * span.grid.h;
    case Delivery::cross: return 1;
  }
  return 0;
}

}  // namespace

Outcome check_per_image(const Context& context) {
  Outcome outcome;
  Last images;
  Last videos;
  int blocks = 0;
  for (size_t i = 0; i < context.input.spans.size(); ++i) {
    const Span& span = context.input.spans[i];
    if (span.kind == SpanKind::text) continue;
    ++blocks;
    std::string error;
    if (span.media >= 0) error = order_error(span, span.kind == SpanKind::image ? images : videos);
    if (error.empty() && span.tokens() != expected_tokens(span)) {
      error = name_of(span) + " has " + std::to_string(span.tokens()) + " tokens for " +
              std::to_string(expected_tokens(span)) + " features";
    }
    if (error.empty()) continue;
    outcome.problems.push_back({Level::warns, std::move(error), static_cast<int>(i), span.begin, span.end});
  }
  if (blocks == 0) return not_checked("no picture");
  outcome.value = std::to_string(blocks) + (blocks == 1 ? " block" : " blocks, in order");
  if (!outcome.problems.empty()) outcome.value = "counts or order do not match";
  return outcome;
}

}  // namespace azimuth::positions::lint
