#include "prompt/expansion/expansion.h"

namespace azimuth::prompt {

Expansion expand_numbered_frames(const MediaMarkup& markup, int media, std::span<const FeatureBlock> frames,
                                 const VideoTiming& timing) {
  Expansion expansion;
  for (size_t frame = 0; frame < frames.size(); ++frame) {
    expansion.text += (frame == 0 ? "Frame" : "\nFrame") + std::to_string(frame + 1) + ": " + markup.start +
                      repeated(markup.placeholder, frames[frame].features) + markup.end;
    Span span = span_of(frames[frame], SpanKind::video, media);
    span.start_seconds = timing.group_seconds[frame];
    span.step_seconds = timing.step_seconds;
    expansion.spans.push_back(span);
  }
  return expansion;
}

}  // namespace azimuth::prompt
