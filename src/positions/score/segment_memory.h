// What a token sees under Transformer-XL (arXiv 1901.02860, section 3.2; positions.md 1.4): its own segment up to
// itself, and a memory in front of it.
#pragma once

#include <algorithm>
#include <cstdint>

namespace azimuth::positions {

// Segments start at absolute multiples of their length, so that the way a prompt is cut into chunks moves none.
struct SegmentMemory {
  int64_t segment = 1;  // tokens
  int64_t memory = 0;   // tokens before the segment that it sees

  int64_t segment_begin(int64_t token) const { return token / segment * segment; }
  int64_t segment_end(int64_t token) const { return segment_begin(token) + segment; }
  // First token that the segment of `token` sees.
  int64_t memory_begin(int64_t token) const { return std::max<int64_t>(segment_begin(token) - memory, 0); }
  // Number of distances 0, 1, ... from a token to one that it sees.
  int64_t distances() const { return segment + memory; }
};

}  // namespace azimuth::positions
