// One running index for every token, visual or not (positions.md 3.1): LLaVA, InternVL, text models.
#include "positions/layout/layouts.h"
#include "positions/layout/span_ids.h"

namespace azimuth::positions {

void layout_vanilla(const Span& span, const LayoutOptions&, PositionState& state, PositionSet& set) {
  append_consecutive(span.tokens(), state, set);
}

}  // namespace azimuth::positions
