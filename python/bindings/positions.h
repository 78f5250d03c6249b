// Position tables between Python and the engine. Arrays are [axes, tokens] in Python, as transformers prints ids.
#pragma once

#include <nanobind/nanobind.h>

#include "azimuth/position_ids.h"
#include "azimuth/positions.h"

namespace azimuth::python {

namespace nb = nanobind;

// Ids [tokens] or [axes, tokens], token-major as the engine has them. `what` starts the sentence where it is neither.
PositionSet position_set(nb::handle ids, const char* what);
// [axes, tokens], writable, a view of the set.
nb::object ids_view(nb::handle set);

}  // namespace azimuth::python
