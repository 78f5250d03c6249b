#include "bench/peak.h"

#include <immintrin.h>

namespace azimuth::bench {

int64_t peak_vnni(int64_t rounds, float* sink) {
  const __m512i bytes = _mm512_set1_epi8(3), other = _mm512_set1_epi8(-2);
  // Chains that start alike would be merged into one.
  __m512i a = _mm512_set1_epi32(1), b = _mm512_set1_epi32(2), c = _mm512_set1_epi32(3), d = _mm512_set1_epi32(4);
  __m512i e = _mm512_set1_epi32(5), f = _mm512_set1_epi32(6), g = _mm512_set1_epi32(7), h = _mm512_set1_epi32(8);
  __m512i i = _mm512_set1_epi32(9), j = _mm512_set1_epi32(10), k = _mm512_set1_epi32(11), l = _mm512_set1_epi32(12);
  for (int64_t round = 0; round < rounds; ++round) {
    a = _mm512_dpbusd_epi32(a, bytes, other);
    b = _mm512_dpbusd_epi32(b, bytes, other);
    c = _mm512_dpbusd_epi32(c, bytes, other);
    d = _mm512_dpbusd_epi32(d, bytes, other);
    e = _mm512_dpbusd_epi32(e, bytes, other);
    f = _mm512_dpbusd_epi32(f, bytes, other);
    g = _mm512_dpbusd_epi32(g, bytes, other);
    h = _mm512_dpbusd_epi32(h, bytes, other);
    i = _mm512_dpbusd_epi32(i, bytes, other);
    j = _mm512_dpbusd_epi32(j, bytes, other);
    k = _mm512_dpbusd_epi32(k, bytes, other);
    l = _mm512_dpbusd_epi32(l, bytes, other);
  }
  const __m512i sum = _mm512_xor_si512(
      _mm512_xor_si512(_mm512_xor_si512(_mm512_xor_si512(a, b), _mm512_xor_si512(c, d)), _mm512_xor_si512(e, f)),
      _mm512_xor_si512(_mm512_xor_si512(_mm512_xor_si512(g, h), _mm512_xor_si512(i, j)), _mm512_xor_si512(k, l)));
  *sink = static_cast<float>(_mm512_cvtsi512_si32(sum));
  return 12 * 64 * 2;
}

}  // namespace azimuth::bench
