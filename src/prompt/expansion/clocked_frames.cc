#include <cstdio>

#include "prompt/expansion/expansion.h"

namespace azimuth::prompt {
namespace {

// "01:05": whole minutes and seconds.
std::string minutes_and_seconds(double seconds) {
  const auto whole = static_cast<int64_t>(seconds);
  char text[64];
  std::snprintf(text, sizeof text, "%02lld:%02lld", static_cast<long long>(whole / 60),
                static_cast<long long>(whole % 60));
  return text;
}

}  // namespace

Expansion expand_clocked_frames(const MediaMarkup& markup, int media, const Grid& grid, const VideoTiming& timing) {
  Expansion expansion;
  const std::string cells = repeated(markup.placeholder, grid.h * grid.w);
  for (int64_t frame = 0; frame < grid.t; ++frame) {
    const double seconds = timing.group_seconds[static_cast<size_t>(frame)];
    if (frame > 0) expansion.text += " ";
    expansion.text += minutes_and_seconds(seconds) + " " + markup.start + cells + markup.end;
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
