// The layouts of the built-in policies; each is defined in the file of its name.
#pragma once

#include "azimuth/positions.h"

namespace azimuth::positions {

void layout_vanilla(const Span& span, const LayoutOptions& options, PositionState& state, PositionSet& set);
void layout_mrope(const Span& span, const LayoutOptions& options, PositionState& state, PositionSet& set);

}  // namespace azimuth::positions
