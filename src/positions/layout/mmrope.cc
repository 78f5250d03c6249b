// MM-RoPE (positions.md 3.14; Lumos-1, arXiv 2507.08801): M-RoPE ids, each axis with a multiplier.
#include <algorithm>

#include "positions/layout/layouts.h"
#include "positions/layout/span_ids.h"

namespace azimuth::positions {
namespace {

void layout_mmrope(const LayoutInput& input, LayoutRun& run, PositionSet& set) {
  if (is_text(input)) return append_consecutive(input.span.tokens(), run, set);
  const std::vector<int> scale = input.parameters.counts("scale");
  const double start = run.next_text;
  const Grid& grid = input.span.grid;
  for_each_cell(grid, [&](double i, double r, double c) {
    append_ids({start + scale[0] * i, start + scale[1] * r, start + scale[2] * c}, run, set);
  });
  const double extent =
      static_cast<double>(std::max({scale[0] * (grid.t - 1), scale[1] * (grid.h - 1), scale[2] * (grid.w - 1)}));
  run.next_text = start + extent + 1.0;
}

Status check_scale(const Parameters& parameters) {
  if (parameters.counts("scale").size() == 3) return ok_status();
  return invalid_argument("parameter scale of position policy mmrope expected three numbers for t, h, w, found \"" +
                          parameters.word("scale") + "\"");
}

}  // namespace

Policy mmrope_policy() {
  return {.name = "mmrope",
          .summary = "M-RoPE ids with a multiplier for each axis, pairs in the order t t h w h w h w",
          .source = "MM-RoPE (Lumos-1, arXiv 2507.08801)",
          .aliases = {{"mmrope_([0-9])([0-9])([0-9])", "scale=$1-$2-$3"}},
          .parameters =
              {{.name = "scale", .kind = ParameterKind::counts, .fallback = "4-8-8", .help = "multipliers of t, h, w"}},
          .axes = 3,
          .layout = layout_mmrope,
          .check = check_scale,
          .allocation = AllocationKind::mmrope};
}

}  // namespace azimuth::positions
