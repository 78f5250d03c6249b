// One running index that begins at 1 (positions.md 3.2).
#include "positions/layout/layouts.h"

namespace azimuth::positions {

Policy paligemma_policy() {
  return {.name = "paligemma",
          .summary = "one running index that begins at 1",
          .source = "PaliGemma (arXiv 2407.07726)",
          .start = 1.0,
          .layout = layout_vanilla};
}

}  // namespace azimuth::positions
