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

namespace {

// Runs `step` on twelve sums of their own, each round once.
template <typename Step>
void byte_chains(int64_t rounds, const Step& step, float* sink) {
  __m256i a = _mm256_set1_epi32(1), b = _mm256_set1_epi32(2), c = _mm256_set1_epi32(3), d = _mm256_set1_epi32(4);
  __m256i e = _mm256_set1_epi32(5), f = _mm256_set1_epi32(6), g = _mm256_set1_epi32(7), h = _mm256_set1_epi32(8);
  __m256i i = _mm256_set1_epi32(9), j = _mm256_set1_epi32(10), k = _mm256_set1_epi32(11), l = _mm256_set1_epi32(12);
  for (int64_t round = 0; round < rounds; ++round) {
    step(a), step(b), step(c), step(d), step(e), step(f), step(g), step(h), step(i), step(j), step(k), step(l);
  }
  const __m256i sum = _mm256_xor_si256(
      _mm256_xor_si256(_mm256_xor_si256(_mm256_xor_si256(a, b), _mm256_xor_si256(c, d)), _mm256_xor_si256(e, f)),
      _mm256_xor_si256(_mm256_xor_si256(_mm256_xor_si256(g, h), _mm256_xor_si256(i, j)), _mm256_xor_si256(k, l)));
  *sink = static_cast<float>(_mm256_extract_epi32(sum, 0));
}

}  // namespace

int64_t peak_maddubs_paddw(int64_t rounds, float* sink) {
  const __m256i bytes = _mm256_set1_epi8(3), other = _mm256_set1_epi8(-2), ones = _mm256_set1_epi16(1);
  byte_chains(
      rounds,
      [&](__m256i & sum) __attribute__((always_inline)) {
        __m256i words, products;
        asm volatile("vpmaddubsw %1, %2, %0" : "=x"(words) : "x"(other), "x"(bytes));
        for (int i = 1; i < 4; ++i) {
          asm volatile("vpmaddubsw %1, %2, %0" : "=x"(products) : "x"(other), "x"(bytes));
          asm volatile("vpaddw %1, %0, %0" : "+x"(words) : "x"(products));
        }
        asm volatile("vpmaddwd %2, %1, %0" : "=x"(products) : "x"(words), "x"(ones));
        asm volatile("vpaddd %1, %0, %0" : "+x"(sum) : "x"(products));
      },
      sink);
  return 12 * 4 * 32 * 2;
}

int64_t peak_maddwd_paddd(int64_t rounds, float* sink) {
  const __m256i words = _mm256_set1_epi16(3), other = _mm256_set1_epi16(-2);
  byte_chains(
      rounds,
      [&](__m256i & sum) __attribute__((always_inline)) {
        __m256i products;  // named, or g++ adds products of several sums before it adds them to the sums
        asm volatile("vpmaddwd %1, %2, %0" : "=x"(products) : "x"(words), "x"(other));
        asm volatile("vpaddd %1, %0, %0" : "+x"(sum) : "x"(products));
      },
      sink);
  return 12 * 16 * 2;
}

}  // namespace azimuth::bench
