#include "prompt/expansion/expansion.h"

namespace azimuth::prompt {

Expansion expand_tile_rows(const MediaMarkup& markup, int media, std::span<const FeatureBlock> blocks,
                           int64_t tile_columns) {
  Expansion expansion;
  expansion.text = markup.start;
  for (size_t i = 0; i < blocks.size(); ++i) {
    // The whole picture, which comes first, counts as no tile of the grid.
    const int64_t before = static_cast<int64_t>(i) - 1;
    if (before > 0) expansion.text += before % tile_columns == 0 ? markup.between_rows : markup.between_columns;
    expansion.text += repeated(markup.placeholder, blocks[i].features);
    if (i == 0) expansion.text += markup.after_whole;
    expansion.spans.push_back(span_of(blocks[i], SpanKind::image, media));
  }
  expansion.text += markup.end;
  return expansion;
}

}  // namespace azimuth::prompt
