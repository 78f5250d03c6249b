#include "prompt/expansion/expansion.h"

namespace azimuth::prompt {

std::string repeated(const std::string& placeholder, int64_t count) {
  std::string text;
  text.reserve(placeholder.size() * static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) text += placeholder;
  return text;
}

Expansion expand_per_cell(const MediaMarkup& markup, SpanKind kind, int media, const Grid& grid,
                          const VideoTiming* timing) {
  Span span;
  span.kind = kind;
  span.media = media;
  span.grid = grid;
  span.features = grid.cells();
  if (timing != nullptr) {
    span.start_seconds = timing->start_seconds;
    span.step_seconds = timing->step_seconds;
  }
  return {repeated(markup.placeholder, grid.cells()), {span}};
}

}  // namespace azimuth::prompt
