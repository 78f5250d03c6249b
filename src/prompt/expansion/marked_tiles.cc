#include "prompt/expansion/expansion.h"

namespace azimuth::prompt {

Expansion expand_marked_tiles(const MediaMarkup& markup, int media, std::span<const FeatureBlock> blocks) {
  Expansion expansion;
  for (const FeatureBlock& block : blocks) {
    expansion.text += markup.start + repeated(markup.placeholder, block.features);
    expansion.spans.push_back(span_of(block, SpanKind::image, media));
  }
  expansion.text += markup.end;
  return expansion;
}

}  // namespace azimuth::prompt
