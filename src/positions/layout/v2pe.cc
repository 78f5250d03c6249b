// V2PE (positions.md 3.13; arXiv 2412.09616): the tokens of a visual block share a fixed span of ids.
#include "positions/layout/layouts.h"
#include "positions/layout/span_ids.h"

namespace azimuth::positions {
namespace {

void layout_v2pe(const LayoutInput& input, LayoutRun& run, PositionSet& set) {
  if (is_text(input)) return append_consecutive(input.span.tokens(), run, set);
  const double range = input.parameters.number("span");
  const int64_t tokens = input.span.tokens();
  const double start = run.next_text;
  double last = start - 1.0;
  for (int64_t k = 0; k < tokens; ++k) {
    last = start - 1.0 + static_cast<double>(k + 1) * range / static_cast<double>(tokens);
    append_ids({last}, run, set);
  }
  constexpr double kGuard = 1e-6;  // a last id that is whole but for rounding is whole
  move_to(std::ceil(last - kGuard) + 1.0, run);
}

}  // namespace

Policy v2pe_policy() {
  return {.name = "v2pe",
          .summary = "every visual block spans the same number of ids, in fractions",
          .source = "V2PE (arXiv 2412.09616)",
          .aliases = {{"v2pe_s([0-9.]+)", "span=$1"}},
          .parameters = {{.name = "span", .fallback = "16", .help = "ids that a visual block spans", .min = 0.001}},
          .layout = layout_v2pe,
          .integral = [](const Parameters&) { return false; }};
}

}  // namespace azimuth::positions
