// M-RoPE ids (positions.md 3.3; arXiv 2409.12191): cell (i, r, c) of a visual block gets (P+i, P+r, P+c), and text goes
// on behind the largest of them. Qwen3-VL (3.6) uses the same rule on one block per frame, which is how its prompt
// arrives here.
#include <algorithm>

#include "positions/layout/layouts.h"
#include "positions/layout/span_ids.h"

namespace azimuth::positions {

void layout_mrope(const Span& span, const LayoutOptions& options, PositionState& state, PositionSet& set) {
  if (span.kind == SpanKind::text) return append_consecutive(span.tokens(), state, set);
  const float start = state.next_text;
  const Grid& grid = span.grid;
  for (int64_t i = 0; i < grid.t; ++i) {
    for (int64_t r = 0; r < grid.h; ++r) {
      for (int64_t c = 0; c < grid.w; ++c) {
        set.ids.push_back(start + static_cast<float>(i));
        set.ids.push_back(start + static_cast<float>(r));
        set.ids.push_back(start + static_cast<float>(c));
      }
    }
  }
  const int64_t spatial = std::max(grid.h, grid.w);
  const int64_t extent = std::max(grid.t, spatial);
  state.max_id = std::max(state.max_id, start + static_cast<float>(extent - 1));
  // transformers 5.x lets the text after a video begin inside the video's time range (positions.md 3.5).
  state.next_text = start + static_cast<float>(options.compat == Compat::tf5 ? spatial : extent);
}

}  // namespace azimuth::positions
