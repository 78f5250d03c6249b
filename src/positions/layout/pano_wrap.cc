// PanoRoPE's map around the whole circle (positions.md 3.15): tile number on t, rows on h, and on w columns that
// neighbouring tiles share where they overlap and that close after 360 degrees. The offset and what text does are ours:
// tiles begin at P0, text between them has P0 + v, text behind them goes on behind the largest id.
#include <algorithm>

#include "positions/layout/layouts.h"
#include "positions/layout/span_ids.h"
#include "positions/layout/views.h"

namespace azimuth::positions {
namespace {

// Tiles of the panorama that `run` is in, the global view not counted.
int tiles_of(const LayoutRun& run) {
  return std::max(1, run.views - 1);
}

void append_tile(const LayoutInput& input, LayoutRun& run, PositionSet& set) {
  const int tile = run.view - 1;
  const Grid& grid = input.span.grid;
  const double stride = (1.0 - input.parameters.number("overlap")) * static_cast<double>(grid.w);
  const double circle = tiles_of(run) * stride;
  for_each_cell(grid, [&](double, double r, double c) {
    const double column = tile * stride + c;
    const double closed = input.parameters.flag("wrap") ? std::fmod(column, circle) : column;
    append_ids({run.region_start + tile, r, std::nearbyint(static_cast<double>(static_cast<float>(closed)))}, run, set);
  });
  if (between_views(run)) return;
  run.next_text =
      run.region_start + std::ceil(std::max({static_cast<double>(tiles_of(run)), static_cast<double>(grid.h), circle}));
}

void layout_pano_wrap(const LayoutInput& input, LayoutRun& run, PositionSet& set) {
  const bool among_tiles = run.view > 0 && between_views(run);
  if (is_text(input)) {
    if (!among_tiles) return append_consecutive(input.span.tokens(), run, set);
    for (int64_t k = 0; k < input.span.tokens(); ++k) append_text_id(run.region_start + run.view - 1, run, set);
    return;
  }
  enter_view(input.span, run);
  if (tile_of(input.span) < 0) return layout_spatial_reset(input, run, set);
  if (run.view == 1) run.region_start = run.next_text;
  append_tile(input, run, set);
}

}  // namespace

Policy pano_wrap_policy() {
  return {
      .name = "pano_wrap",
      .summary = "tile number, row, and a column map that closes after 360 degrees",
      .source = "PanoRoPE's documented map (CORA, wooseungw/panollava)",
      .aliases = {{"pano_wrap_(?:V[0-9]+_[0-9]+x[0-9]+_)?ov([0-9.]+)(?:_wrap)?", "overlap=$1"},
                  {"pano_wrap_(?:V[0-9]+_[0-9]+x[0-9]+_)?ov([0-9.]+)_nowrap", "overlap=$1,wrap=0"}},
      .parameters = {overlap_parameter(),
                     {.name = "wrap", .kind = ParameterKind::flag, .fallback = "1", .help = "0: columns do not close"}},
      .axes = 3,
      .layout = layout_pano_wrap,
      .views = true,
      .shares_ids = true,
      .allocation = AllocationKind::chunked};
}

}  // namespace azimuth::positions
