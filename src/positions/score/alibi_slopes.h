// Slopes of ALiBi (arXiv 2108.12409, section 3; positions.md 1.6).
#pragma once

#include <vector>

namespace azimuth::positions {

// One slope per query head, in the order of the published code: [heads]. A power of two H has the geometric sequence
// 2^(-8 (h + 1) / H). Other counts take the slopes of the largest power of two below, then every other slope of twice
// that power; the list is then not sorted. Expects heads >= 1.
std::vector<float> alibi_slopes(int heads);

}  // namespace azimuth::positions
