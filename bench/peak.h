// The largest rate of f32 multiply-adds that a level allows: chains that live in registers and depend on nothing else.
#pragma once

#include <stdint.h>

namespace azimuth::bench {

// Runs `rounds` rounds of multiply-adds and returns the number of floating-point operations per round; *sink keeps the
// compiler from dropping them.
int64_t peak_generic(int64_t rounds, float* sink);
int64_t peak_avx2(int64_t rounds, float* sink);
int64_t peak_avx512(int64_t rounds, float* sink);
// The same for products of bf16: VDPBF16PS, TDPBF16PS.
int64_t peak_avx512_bf16(int64_t rounds, float* sink);
int64_t peak_amx(int64_t rounds, float* sink);

}  // namespace azimuth::bench
