// The table of model families that `azimuth info --families` prints.
#pragma once

namespace azimuth::tools {

// A block of lines per family, or JSON. Returns the exit code.
int print_families(bool json);

}  // namespace azimuth::tools
