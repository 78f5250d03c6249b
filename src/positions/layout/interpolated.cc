// The tokens of a visual block lie evenly in a fixed range of ids (positions.md 3.18): dynamic resolution without
// growth.
#include <algorithm>

#include "positions/layout/layouts.h"
#include "positions/layout/span_ids.h"

namespace azimuth::positions {
namespace {

void layout_interpolated(const LayoutInput& input, LayoutRun& run, PositionSet& set) {
  if (is_text(input)) return append_consecutive(input.span.tokens(), run, set);
  const double range = input.parameters.number("range");
  const int64_t tokens = input.span.tokens();
  const double start = run.next_text;
  for (int64_t k = 0; k < tokens; ++k) {
    append_ids({start + static_cast<double>(k) * (range - 1.0) / static_cast<double>(std::max<int64_t>(tokens - 1, 1))},
               run, set);
  }
  move_to(start + range, run);
}

}  // namespace

Policy interpolated_policy() {
  return {.name = "interpolated",
          .summary = "every visual block spans the same range of ids, its tokens evenly in it",
          .source = "derived: the checklist \"interpolate positions for dynamic resolution\"",
          .parameters = {{.name = "range", .fallback = "256", .help = "ids that a visual block spans", .min = 1}},
          .layout = layout_interpolated,
          .integral = [](const Parameters&) { return false; }};
}

}  // namespace azimuth::positions
