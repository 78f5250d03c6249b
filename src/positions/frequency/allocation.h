// Which coordinate turns which rotary pair (positions.md, section 4).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "azimuth/status.h"

namespace azimuth::positions {

// Every pair turns with the only axis; `section` must be empty.
Result<std::vector<int8_t>> allocate_one_axis(std::span<const int> section, int pairs);
// The first section[0] (fastest) pairs turn with t, the next with h, the last with w.
Result<std::vector<int8_t>> allocate_chunked(std::span<const int> section, int pairs);
// t everywhere, h at pairs 1, 4, 7, ... and w at 2, 5, 8, ... as often as the section says. A section that the pair
// count would cut is refused, because the reference then silently computes another allocation.
Result<std::vector<int8_t>> allocate_interleaved(std::span<const int> section, int pairs);

// `section` scaled so that it adds up to `pairs`: largest remainder, ties in the order t, h, w.
std::vector<int> scale_section(std::span<const int> section, int pairs);

}  // namespace azimuth::positions
