#include "bench/peak.h"

#include <immintrin.h>

namespace azimuth::bench {

int64_t peak_avx2(int64_t rounds, float* sink) {
  const __m256 factor = _mm256_set1_ps(0.999f);
  // Chains that start alike would be merged into one.
  __m256 a = _mm256_set1_ps(1.0f), b = _mm256_set1_ps(2.0f), c = _mm256_set1_ps(3.0f), d = _mm256_set1_ps(4.0f);
  __m256 e = _mm256_set1_ps(5.0f), f = _mm256_set1_ps(6.0f), g = _mm256_set1_ps(7.0f), h = _mm256_set1_ps(8.0f);
  __m256 i = _mm256_set1_ps(9.0f), j = _mm256_set1_ps(10.0f), k = _mm256_set1_ps(11.0f), l = _mm256_set1_ps(12.0f);
  for (int64_t round = 0; round < rounds; ++round) {
    a = _mm256_fmadd_ps(a, factor, factor);
    b = _mm256_fmadd_ps(b, factor, factor);
    c = _mm256_fmadd_ps(c, factor, factor);
    d = _mm256_fmadd_ps(d, factor, factor);
    e = _mm256_fmadd_ps(e, factor, factor);
    f = _mm256_fmadd_ps(f, factor, factor);
    g = _mm256_fmadd_ps(g, factor, factor);
    h = _mm256_fmadd_ps(h, factor, factor);
    i = _mm256_fmadd_ps(i, factor, factor);
    j = _mm256_fmadd_ps(j, factor, factor);
    k = _mm256_fmadd_ps(k, factor, factor);
    l = _mm256_fmadd_ps(l, factor, factor);
  }
  const __m256 sum =
      _mm256_add_ps(_mm256_add_ps(_mm256_add_ps(_mm256_add_ps(a, b), _mm256_add_ps(c, d)), _mm256_add_ps(e, f)),
                    _mm256_add_ps(_mm256_add_ps(_mm256_add_ps(g, h), _mm256_add_ps(i, j)), _mm256_add_ps(k, l)));
  float lanes[8];
  _mm256_storeu_ps(lanes, sum);
  *sink = lanes[0];
  return 12 * 8 * 2;
}

}  // namespace azimuth::bench
