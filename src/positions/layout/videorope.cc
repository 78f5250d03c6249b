// VideoRoPE (positions.md 3.9; arXiv 2502.05173): frames on a diagonal of all three axes, cells centred around it. Text
// advances by the time axis alone, so it may meet ids that rows and columns of a block have.
#include "positions/layout/layouts.h"
#include "positions/layout/span_ids.h"

namespace azimuth::positions {

void layout_centred(double step, const LayoutInput& input, LayoutRun& run, PositionSet& set) {
  if (is_text(input)) return append_consecutive(input.span.tokens(), run, set);
  const Grid& grid = input.span.grid;
  const double start = run.next_text;
  const double middle_row = static_cast<double>((grid.h - 1) / 2);  // the lower middle of even sizes
  const double middle_column = static_cast<double>((grid.w - 1) / 2);
  for_each_cell(grid, [&](double i, double r, double c) {
    const double time = start + step * i;
    append_ids({time, time + r - middle_row, time + c - middle_column}, run, set);
  });
  move_to(start + step * static_cast<double>(grid.t - 1) + 1.0, run);
}

namespace {

void layout_videorope(const LayoutInput& input, LayoutRun& run, PositionSet& set) {
  layout_centred(input.parameters.number("delta"), input, run, set);
}

bool integral_delta(const Parameters& parameters) {
  return parameters.number("delta") == std::floor(parameters.number("delta"));
}

}  // namespace

Policy videorope_policy() {
  return {.name = "videorope",
          .summary = "frames on a diagonal, cells centred around it; the slowest pairs for time",
          .source = "VideoRoPE (arXiv 2502.05173, Wiselnn570/VideoRoPE)",
          .aliases = {{"videorope_d([0-9.]+)", "delta=$1"}, {"videorope_jjj", "plan=videorope_jjj"}},
          .parameters = {delta_parameter("2")},
          .axes = 3,
          .layout = layout_videorope,
          .integral = integral_delta,
          .allocation = AllocationKind::videorope};
}

}  // namespace azimuth::positions
