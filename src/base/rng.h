// Random numbers that depend on nothing but (seed, request, step): no state, so the tokens of a request are the same
// for any batch composition, thread count or restart.
#pragma once

#include <array>
#include <cstdint>

namespace azimuth {

// Philox4x32-10: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
// Four random words for a counter of four words (least significant first) under a key of two.
std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

// Uniform in [0, 1), a multiple of 2^-53.
double uniform(uint64_t seed, uint64_t request, uint64_t step);

}  // namespace azimuth
