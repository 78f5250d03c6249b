// Omni-RoPE (positions.md 3.12; OmniGen2, arXiv 2506.18871): spatial-reset ids, chunked pairs. The released code gives
// text equal ids on all axes; a paper describes it with text at row and column 0 (text0).
#include "positions/layout/layouts.h"

namespace azimuth::positions {

Policy omni_policy() {
  return {.name = "omni",
          .summary = "rows and columns that begin at 0 in every block, chunked pairs",
          .source = "Omni-RoPE (OmniGen2, arXiv 2506.18871)",
          .aliases = {{"omni_text0", "text0=1"}},
          .parameters = {delta_parameter("1"), text0_parameter()},
          .axes = 3,
          .layout = layout_spatial_reset,
          .integral = spatial_reset_is_integral,
          .text_axes = text0_axes,
          .allocation = AllocationKind::chunked};
}

}  // namespace azimuth::positions
