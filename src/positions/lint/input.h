// From a policy to what the linter looks at.
#pragma once

#include <span>

#include "azimuth/lint.h"
#include "positions/policy.h"

namespace azimuth::positions::lint {

// Everything about ids: the table of `spans`, and the rule behind it. The spectrum is left to the caller.
Result<LintInput> input_of(const PolicyInstance& policy, std::span<const Span> spans, const LayoutOptions& options);

}  // namespace azimuth::positions::lint
