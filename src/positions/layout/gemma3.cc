// One running index; the layer types turn with two spectra, which the checkpoint gives (positions.md 3.16).
#include "positions/layout/layouts.h"

namespace azimuth::positions {

Policy gemma3_policy() {
  return {.name = "gemma3",
          .summary = "one running index, two spectra: sliding layers fast, full layers stretched",
          .source = "Gemma 3 (arXiv 2503.19786)",
          .layout = layout_vanilla};
}

}  // namespace azimuth::positions
