#include "prompt/expansion/expansion.h"

namespace azimuth::prompt {

Expansion expand_pan_and_scan(const MediaMarkup& markup, int media, std::span<const FeatureBlock> blocks) {
  Expansion expansion;
  if (blocks.size() > 1) expansion.text = "Here is the original image ";
  for (size_t i = 0; i < blocks.size(); ++i) {
    if (i == 1) expansion.text += " and here are some crops to help you see better ";
    if (i > 1) expansion.text += " ";
    expansion.text += markup.start + repeated(markup.placeholder, blocks[i].features) + markup.end;
    expansion.spans.push_back(span_of(blocks[i], SpanKind::image, media));
  }
  return expansion;
}

}  // namespace azimuth::prompt
