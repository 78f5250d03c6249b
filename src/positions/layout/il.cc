// IL-RoPE (positions.md 3.12; Mogao, arXiv 2505.05472), which has no public code: the name of its allocation is
// provisional and means the interleave of 4.2.
#include "positions/layout/layouts.h"

namespace azimuth::positions {

Policy il_policy() {
  return {.name = "il",
          .summary = "rows and columns that begin at 0 in every block, interleaved pairs (provisional)",
          .source = "IL-RoPE (Mogao, arXiv 2505.05472)",
          .aliases = {{"il_text0", "text0=1"}},
          .parameters = {delta_parameter("1"), text0_parameter()},
          .axes = 3,
          .layout = layout_spatial_reset,
          .integral = spatial_reset_is_integral,
          .text_axes = text0_axes,
          .allocation = AllocationKind::interleaved};
}

}  // namespace azimuth::positions
