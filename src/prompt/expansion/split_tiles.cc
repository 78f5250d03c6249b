#include "prompt/expansion/expansion.h"

namespace azimuth::prompt {

Expansion expand_split_tiles(const MediaMarkup& markup, int media, std::span<const FeatureBlock> blocks,
                             int64_t columns) {
  Expansion expansion;
  const auto tiles = static_cast<int64_t>(blocks.size()) - 1;
  for (int64_t tile = 0; tile < tiles; ++tile) {
    const int64_t row = tile / columns;
    const int64_t column = tile % columns;
    expansion.text += markup.start + "<row_" + std::to_string(row + 1) + "_col_" + std::to_string(column + 1) + ">" +
                      repeated(markup.placeholder, blocks[static_cast<size_t>(tile)].features);
    if (column + 1 == columns) expansion.text += "\n";
  }
  if (tiles > 0) expansion.text += "\n";
  expansion.text += markup.start + std::string(kGlobalImage) + repeated(markup.placeholder, blocks.back().features);
  expansion.text += markup.end;
  for (const FeatureBlock& block : blocks) expansion.spans.push_back(span_of(block, SpanKind::image, media));
  return expansion;
}

}  // namespace azimuth::prompt
