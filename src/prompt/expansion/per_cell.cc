#include "prompt/expansion/expansion.h"

namespace azimuth::prompt {

std::string repeated(const std::string& placeholder, int64_t count) {
  std::string text;
  text.reserve(placeholder.size() * static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) text += placeholder;
  return text;
}

Span span_of(const FeatureBlock& block, SpanKind kind, int media) {
  Span span;
  span.kind = kind;
  span.media = media;
  span.tile = block.tile;
  span.tiles = block.tiles;
  span.global_tile = block.global_tile;
  span.grid = block.grid;
  span.features = block.features;
  span.delivery = block.delivery;
  return span;
}

Expansion expand_per_cell(const MediaMarkup& markup, SpanKind kind, int media, std::span<const FeatureBlock> blocks,
                          const VideoTiming* timing) {
  Expansion expansion;
  expansion.text = markup.start;
  for (const FeatureBlock& block : blocks) {
    expansion.text += repeated(markup.placeholder, block.tokens());
    Span span = span_of(block, kind, media);
    if (timing != nullptr) {
      span.start_seconds = timing->start_seconds;
      span.step_seconds = timing->step_seconds;
    }
    expansion.spans.push_back(span);
  }
  expansion.text += markup.end;
  return expansion;
}

}  // namespace azimuth::prompt
