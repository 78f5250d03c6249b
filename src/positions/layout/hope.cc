// HoPE (positions.md 3.10; arXiv 2505.20444): VideoRoPE's ids with another time scale; no pair turns with time.
#include "positions/layout/layouts.h"
#include "positions/layout/span_ids.h"

namespace azimuth::positions {
namespace {

void layout_hope(const LayoutInput& input, LayoutRun& run, PositionSet& set) {
  layout_centred(input.parameters.number("scale"), input, run, set);
}

bool integral_scale(const Parameters& parameters) {
  return parameters.number("scale") == std::floor(parameters.number("scale"));
}

}  // namespace

Policy hope_policy() {
  return {.name = "hope",
          .summary = "as videorope, with time that never turns a pair",
          .source = "HoPE (arXiv 2505.20444)",
          .aliases = {{"hope_s([0-9.]+)", "scale=$1"}},
          .parameters = {{.name = "scale", .fallback = "1", .help = "time ids per grid frame", .min = 0}},
          .axes = 3,
          .layout = layout_hope,
          .integral = integral_scale,
          .allocation = AllocationKind::hope};
}

}  // namespace azimuth::positions
