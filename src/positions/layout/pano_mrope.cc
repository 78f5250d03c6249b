// PanoRoPE on three axes (positions.md 3.15; CORA): M-RoPE ids, and the column ids of tile v moved by round(v s W).
#include "positions/layout/layouts.h"
#include "positions/layout/span_ids.h"
#include "positions/layout/views.h"

namespace azimuth::positions {
namespace {

void layout_pano_mrope(const LayoutInput& input, LayoutRun& run, PositionSet& set) {
  const size_t before = set.ids.size();
  layout_mrope(input, run, set);
  const int tile = is_text(input) ? -1 : tile_of(input.span);
  if (tile < 0) return;
  const double stride = (1.0 - input.parameters.number("overlap")) * static_cast<double>(input.span.grid.w);
  const auto shift = static_cast<float>(std::nearbyint(tile * stride));
  for (size_t i = before + 2; i < set.ids.size(); i += 3) set.ids[i] += shift;
}

}  // namespace

Policy pano_mrope_policy() {
  return {.name = "pano_mrope",
          .summary = "M-RoPE ids; column ids of a panorama's tiles moved by their yaw",
          .source = "PanoRoPE (CORA, wooseungw/panollava)",
          .aliases = {{"pano_mrope_ov([0-9.]+)", "overlap=$1"}},
          .parameters = {overlap_parameter()},
          .axes = 3,
          .layout = layout_pano_mrope,
          .views = true,
          .allocation = AllocationKind::chunked};
}

}  // namespace azimuth::positions
