#include <immintrin.h>

#include "bench/peak.h"

namespace azimuth::bench {

int64_t peak_avx512_bf16(int64_t rounds, float* sink) {
  const __m512bh factor = reinterpret_cast<__m512bh>(_mm512_set1_epi16(0x3f00));
  __m512 sums[12];  // chains that start alike would be merged into one
#pragma GCC unroll 12
  for (int i = 0; i < 12; ++i) sums[i] = _mm512_set1_ps(static_cast<float>(i));
  for (int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
    for (int i = 0; i < 12; ++i) sums[i] = _mm512_dpbf16_ps(sums[i], factor, factor);
  }
  float lanes[16];
  for (int i = 0; i < 12; ++i) {
    _mm512_storeu_ps(lanes, sums[i]);
    *sink += lanes[0];
  }
  return 12 * 32 * 2;
}

}  // namespace azimuth::bench
