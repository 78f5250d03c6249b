// The table of policies and families that `azimuth info --policies` prints and docs/positions.md ends with.
#pragma once

namespace azimuth::tools {

// Markdown, which reads well on a terminal too; or JSON. Returns the exit code.
int print_policy_matrix(bool json);

}  // namespace azimuth::tools
