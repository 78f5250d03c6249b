// The largest rates of arithmetic that a level allows: chains that live in registers and depend on nothing else.
#pragma once

#include <stdint.h>

namespace azimuth::bench {

// Each runs `rounds` rounds of one kind of instruction and returns the number of operations per round, two for each
// multiply-add; *sink keeps the compiler from dropping them. All but peak_generic need a processor that has the kind.
using Peak = int64_t (*)(int64_t rounds, float* sink);

// Multiply-adds of f32.
int64_t peak_generic(int64_t rounds, float* sink);
int64_t peak_avx2(int64_t rounds, float* sink);
int64_t peak_avx512(int64_t rounds, float* sink);
// The same for products of bf16: VDPBF16PS, TDPBF16PS.
int64_t peak_avx512_bf16(int64_t rounds, float* sink);
int64_t peak_amx(int64_t rounds, float* sink);

// Multiply-adds of bytes, u8 by s8. On AVX2 sums of pairs of products stay in 16 bits for four steps (vpmaddubsw,
// vpaddw), as many as weights of 4 bits with their multipliers and rows of 7 bits have, before they are added in 32
// (vpmaddwd, vpaddd): nine instructions for 128 of them.
int64_t peak_maddubs_paddw(int64_t rounds, float* sink);
// Of whole bytes on both sides, s8 by s8, whose pairs vpmaddubsw would cut off: in 16 bits, 16 of them in two
// instructions (vpmaddwd, vpaddd).
int64_t peak_maddwd_paddd(int64_t rounds, float* sink);
int64_t peak_vnni(int64_t rounds, float* sink);      // VPDPBUSD of 512 bits
int64_t peak_amx_int8(int64_t rounds, float* sink);  // TDPBUSD; call request_amx() once before

// Multiply-adds of bf16 into sums of f32.
int64_t peak_avx512_bf16(int64_t rounds, float* sink);  // VDPBF16PS
int64_t peak_amx_bf16(int64_t rounds, float* sink);     // TDPBF16PS; call request_amx() once before

// Asks the kernel for the tile registers of this process and its threads; false where it has none to give.
bool request_amx();

}  // namespace azimuth::bench
