// One running index for every token, visual or not (positions.md 3.1): LLaVA, InternVL, text models.
#include "positions/layout/layouts.h"
#include "positions/layout/span_ids.h"

namespace azimuth::positions {

void layout_vanilla(const LayoutInput& input, LayoutRun& run, PositionSet& set) {
  append_consecutive(input.span.tokens(), run, set);
}

Policy vanilla_policy() {
  return {.name = "vanilla",
          .summary = "one running index for text and images alike",
          .source = "LLaVA, InternVL, text models",
          .aliases = {{"linear", ""}},
          .layout = layout_vanilla};
}

}  // namespace azimuth::positions
