// Which relative vector a pair of tokens uses (Shaw et al., arXiv 1803.02155, section 3.2; positions.md 1.3).
#pragma once

#include <algorithm>
#include <cstdint>

namespace azimuth::positions {

struct RelativeClip {
  int64_t left = 0;   // largest distance of a key before its query that has its own vector
  int64_t right = 0;  // the same behind it

  int64_t rows() const { return left + right + 1; }
  // Row in [0, rows()) of the table for relative = key - query.
  int64_t row(int64_t relative) const { return std::clamp(relative, -left, right) + left; }
};

}  // namespace azimuth::positions
