// Views of one panorama as regions (positions.md 3.18): the view number on t, rows and columns within the view.
#include <algorithm>

#include "positions/layout/layouts.h"
#include "positions/layout/span_ids.h"
#include "positions/layout/views.h"

namespace azimuth::positions {
namespace {

void layout_region_relative(const LayoutInput& input, LayoutRun& run, PositionSet& set) {
  if (is_text(input)) {
    if (!between_views(run)) return append_consecutive(input.span.tokens(), run, set);
    const double id = run.region_start + static_cast<double>(run.view);
    for (int64_t k = 0; k < input.span.tokens(); ++k) append_text_id(id, run, set);
    return;
  }
  enter_view(input.span, run);
  const double time = run.region_start + static_cast<double>(run.view);
  for_each_cell(input.span.grid, [&](double, double r, double c) { append_ids({time, r, c}, run, set); });
  if (between_views(run)) return;
  run.next_text =
      run.region_start + static_cast<double>(std::max({int64_t{run.views}, run.region_rows, run.region_columns}));
}

// One axis: token k of view v gets P0 + v + k.
void layout_region_relative_1d(const LayoutInput& input, LayoutRun& run, PositionSet& set) {
  if (is_text(input)) return layout_region_relative(input, run, set);
  enter_view(input.span, run);
  const double start = run.region_start + static_cast<double>(run.view);
  for (int64_t k = 0; k < input.span.tokens(); ++k) append_ids({start + static_cast<double>(k)}, run, set);
  if (between_views(run)) return;
  run.next_text = run.region_start + static_cast<double>(run.views - 1 + input.span.tokens());
}

void layout_by_axes(const LayoutInput& input, LayoutRun& run, PositionSet& set) {
  return set.axes == 1 ? layout_region_relative_1d(input, run, set) : layout_region_relative(input, run, set);
}

}  // namespace

Policy region_relative_policy() {
  return {.name = "region_relative",
          .summary = "views of a panorama as regions: view number, row and column within the view",
          .source = "derived: the checklist \"relative positions within each panoramic region\"",
          .axes = 3,
          .layout = layout_by_axes,
          .adapts_axes = true,
          .views = true,
          .allocation = AllocationKind::interleaved};
}

}  // namespace azimuth::positions
