// M-RoPE ids with interleaved pairs (positions.md 3.6). A video arrives as one block per frame group, behind its time
// in text.
#include "positions/layout/layouts.h"

namespace azimuth::positions {

Policy mrope_i_policy() {
  return {.name = "mrope_i",
          .summary = "time, row and column ids with interleaved pairs; one block per video frame",
          .source = "Qwen3-VL (arXiv 2511.21631, 2510.23095)",
          .aliases = {{"mrope_interleaved", ""}},
          .axes = 3,
          .layout = layout_mrope,
          .allocation = AllocationKind::interleaved};
}

}  // namespace azimuth::positions
