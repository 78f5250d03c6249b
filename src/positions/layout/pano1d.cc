// PanoRoPE on one axis (positions.md 3.15; CORA): vanilla ids, and those of tile v moved by round(v s N), s = 1 -
// overlap. Text keeps its ids, so the tiles' ids run past it.
#include "positions/layout/layouts.h"
#include "positions/layout/span_ids.h"
#include "positions/layout/views.h"

namespace azimuth::positions {
namespace {

// Vanilla ids, moved by `shift` from the running position, which goes on unmoved.
void append_moved(double shift, const LayoutInput& input, LayoutRun& run, PositionSet& set) {
  const double next = run.next_text + static_cast<double>(input.span.tokens());
  run.next_text += shift;
  append_consecutive(input.span.tokens(), run, set);
  run.next_text = next;
}

void layout_pano1d(const LayoutInput& input, LayoutRun& run, PositionSet& set) {
  const double stride = (1.0 - input.parameters.number("overlap")) * static_cast<double>(input.span.tokens());
  const int tile = is_text(input) ? -1 : tile_of(input.span);
  append_moved(tile < 0 ? 0.0 : std::nearbyint(tile * stride), input, run, set);
}

// Moves tiles together instead of apart, so that overlapping halves of neighbours do share ids.
void layout_pano1d_share(const LayoutInput& input, LayoutRun& run, PositionSet& set) {
  const double shared = input.parameters.number("overlap") * static_cast<double>(input.span.tokens());
  const int tile = is_text(input) ? -1 : tile_of(input.span);
  append_moved(tile < 0 ? 0.0 : -std::nearbyint(tile * shared), input, run, set);
}

}  // namespace

Parameter overlap_parameter() {
  return {.name = "overlap",
          .fallback = "0.5",
          .help = "share of a tile that its neighbour sees as well",
          .min = 0,
          .max = 0.999};
}

Policy pano1d_policy() {
  return {.name = "pano1d",
          .summary = "one running index; tiles of a panorama moved apart by their yaw",
          .source = "PanoRoPE-1D (CORA, wooseungw/panollava)",
          .aliases = {{"pano1d_ov([0-9.]+)", "overlap=$1"}},
          .parameters = {overlap_parameter()},
          .layout = layout_pano1d,
          .views = true};
}

Policy pano1d_share_policy() {
  return {.name = "pano1d_share",
          .summary = "one running index; overlapping halves of neighbouring tiles share ids",
          .source = "derived from PanoRoPE-1D",
          .aliases = {{"pano1d_share_ov([0-9.]+)", "overlap=$1"}},
          .parameters = {overlap_parameter()},
          .layout = layout_pano1d_share,
          .views = true,
          .shares_ids = true};
}

}  // namespace azimuth::positions
