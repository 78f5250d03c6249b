// Spatial reset (positions.md 3.7; arXiv 2510.23095): rows and columns begin at 0 in every block.
#include <algorithm>

#include "positions/layout/layouts.h"
#include "positions/layout/span_ids.h"

namespace azimuth::positions {

void layout_spatial_reset(const LayoutInput& input, LayoutRun& run, PositionSet& set) {
  if (is_text(input)) return append_consecutive(input.span.tokens(), run, set);
  const double delta = input.parameters.has("delta") ? input.parameters.number("delta") : 1.0;
  const double interval = input.parameters.has("interval") ? input.parameters.number("interval") : 0.0;
  const Grid& grid = input.span.grid;
  const double start = run.next_text + interval;
  for_each_cell(grid, [&](double i, double r, double c) { append_ids({start + i * delta, r, c}, run, set); });
  const double extent = std::max(
      {static_cast<double>(grid.t - 1) * delta + 1.0, static_cast<double>(grid.h), static_cast<double>(grid.w)});
  move_to(start + extent + interval, run);
}

Parameter delta_parameter(const std::string& fallback) {
  return {.name = "delta", .fallback = fallback, .help = "time ids per grid frame", .min = 0};
}

Parameter text0_parameter() {
  return {.name = "text0",
          .kind = ParameterKind::flag,
          .fallback = "0",
          .help = "1: text has row and column id 0, the published failure \"text spatial-reset\""};
}

uint8_t text0_axes(const Parameters& parameters) {
  return parameters.flag("text0") ? 0b001 : 0b111;
}

bool spatial_reset_is_integral(const Parameters& parameters) {
  return std::ranges::all_of(std::initializer_list<const char*>{"delta", "interval"}, [&](const char* name) {
    return !parameters.has(name) || parameters.number(name) == std::floor(parameters.number(name));
  });
}

Policy mrope_i_reset_policy() {
  return {.name = "mrope_i_reset",
          .summary = "as mrope_i, with rows and columns that begin at 0 in every block",
          .source = "MRoPE-I (arXiv 2510.23095)",
          .aliases = {{"mrope_i_reset_text0", "text0=1"}},
          .parameters = {delta_parameter("1"),
                         text0_parameter(),
                         {.name = "interval",
                          .fallback = "0",
                          .help = "ids skipped before and after a block (the paper's modality interval; 100 is ours)",
                          .min = 0}},
          .axes = 3,
          .layout = layout_spatial_reset,
          .integral = spatial_reset_is_integral,
          .text_axes = text0_axes,
          .allocation = AllocationKind::interleaved};
}

}  // namespace azimuth::positions
