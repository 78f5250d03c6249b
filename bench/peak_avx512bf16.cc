#include "bench/peak.h"

#include <immintrin.h>

namespace azimuth::bench {

int64_t peak_avx512_bf16(int64_t rounds, float* sink) {
  const __m512bh factor = _mm512_cvtne2ps_pbh(_mm512_set1_ps(0.25f), _mm512_set1_ps(0.25f));
  // Chains that start alike would be merged into one.
  __m512 a = _mm512_set1_ps(1.0f), b = _mm512_set1_ps(2.0f), c = _mm512_set1_ps(3.0f), d = _mm512_set1_ps(4.0f);
  __m512 e = _mm512_set1_ps(5.0f), f = _mm512_set1_ps(6.0f), g = _mm512_set1_ps(7.0f), h = _mm512_set1_ps(8.0f);
  __m512 i = _mm512_set1_ps(9.0f), j = _mm512_set1_ps(10.0f), k = _mm512_set1_ps(11.0f), l = _mm512_set1_ps(12.0f);
  for (int64_t round = 0; round < rounds; ++round) {
    a = _mm512_dpbf16_ps(a, factor, factor);
    b = _mm512_dpbf16_ps(b, factor, factor);
    c = _mm512_dpbf16_ps(c, factor, factor);
    d = _mm512_dpbf16_ps(d, factor, factor);
    e = _mm512_dpbf16_ps(e, factor, factor);
    f = _mm512_dpbf16_ps(f, factor, factor);
    g = _mm512_dpbf16_ps(g, factor, factor);
    h = _mm512_dpbf16_ps(h, factor, factor);
    i = _mm512_dpbf16_ps(i, factor, factor);
    j = _mm512_dpbf16_ps(j, factor, factor);
    k = _mm512_dpbf16_ps(k, factor, factor);
    l = _mm512_dpbf16_ps(l, factor, factor);
  }
  const __m512 sum =
      _mm512_add_ps(_mm512_add_ps(_mm512_add_ps(_mm512_add_ps(a, b), _mm512_add_ps(c, d)), _mm512_add_ps(e, f)),
                    _mm512_add_ps(_mm512_add_ps(_mm512_add_ps(g, h), _mm512_add_ps(i, j)), _mm512_add_ps(k, l)));
  float lanes[16];
  _mm512_storeu_ps(lanes, sum);
  *sink = lanes[0];
  return 12 * 32 * 2;
}

}  // namespace azimuth::bench
