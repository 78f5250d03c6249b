// Every token of a visual block has the same id (positions.md 3.18): what is left when a block's own geometry is taken
// away.
#include "positions/layout/layouts.h"
#include "positions/layout/span_ids.h"

namespace azimuth::positions {
namespace {

void layout_shared(const LayoutInput& input, LayoutRun& run, PositionSet& set) {
  if (is_text(input)) return append_consecutive(input.span.tokens(), run, set);
  for (int64_t k = 0; k < input.span.tokens(); ++k) append_text_id(run.next_text, run, set);
  run.next_text += 1.0;
}

}  // namespace

Policy shared_policy() {
  return {.name = "shared",
          .summary = "all tokens of a visual block have the same id",
          .source = "derived: the checklist \"share spatial position information\"",
          .layout = layout_shared,
          .shares_ids = true};
}

}  // namespace azimuth::positions
