#include "prompt/expansion/expansion.h"

namespace azimuth::prompt {

Expansion expand_timestamped_frames(const MediaMarkup& markup, int media, const Grid& grid, const VideoTiming& timing) {
  Expansion expansion;
  const std::string cells = repeated(markup.placeholder, grid.h * grid.w);
  for (int64_t frame = 0; frame < grid.t; ++frame) {
    const double seconds = timing.group_seconds[static_cast<size_t>(frame)];
    expansion.text += "<" + one_decimal(seconds) + " seconds>" + markup.start + cells + markup.end;
    Span span;
    span.kind = SpanKind::video;
    span.media = media;
    span.grid = {1, grid.h, grid.w};
    span.features = grid.h * grid.w;
    span.start_seconds = seconds;
    span.step_seconds = timing.step_seconds;
    expansion.spans.push_back(span);
  }
  return expansion;
}

}  // namespace azimuth::prompt
