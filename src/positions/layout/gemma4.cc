// One running index; full layers turn a quarter of their pairs (positions.md 3.16, 2.8).
#include "positions/layout/layouts.h"

namespace azimuth::positions {

Policy gemma4_policy() {
  return {.name = "gemma4",
          .summary = "one running index, two spectra: full layers turn a quarter of their pairs",
          .source = "Gemma 4",
          .layout = layout_vanilla};
}

}  // namespace azimuth::positions
