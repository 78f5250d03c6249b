// Spatial-reset ids, and whole KV heads for each axis (positions.md 3.8; arXiv 2510.23095).
#include "positions/layout/layouts.h"

namespace azimuth::positions {

Policy mhrope_policy() {
  return {.name = "mhrope",
          .summary = "as mrope_i_reset, with whole key-value heads for time, rows and columns",
          .source = "MHRoPE (arXiv 2510.23095)",
          .parameters = {delta_parameter("1")},
          .axes = 3,
          .layout = layout_spatial_reset,
          .integral = spatial_reset_is_integral,
          .allocation = AllocationKind::per_head};
}

}  // namespace azimuth::positions
