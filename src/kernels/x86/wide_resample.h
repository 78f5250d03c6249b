// Fixed-point resampling with 256-bit integers; exact, so equal to the generic level.
#pragma once

#include "kernels/table.h"

namespace azimuth::kernels {
namespace {

AZ_WIDE uint8_t clamp_byte(int32_t sum, int precision) {
  const int32_t value = (sum + ((1 << precision) >> 1)) >> precision;
  return static_cast<uint8_t>(value < 0 ? 0 : value > 255 ? 255 : value);
}

// Two int16 weights as one lane; the second is zero where there is none.
AZ_WIDE __m256i weight_pair(const int16_t* weights, bool both) {
  const uint32_t low = static_cast<uint16_t>(weights[0]);
  const uint32_t high = both ? static_cast<uint16_t>(weights[1]) : 0;
  return _mm256_set1_epi32(static_cast<int>(low | (high << 16)));
}

void resample_column(const uint8_t* in, int64_t row_bytes, int taps, const int16_t* weights, int precision,
                     uint8_t* out) {
  const __m256i half = _mm256_set1_epi32((1 << precision) >> 1);
  const __m128i shift = _mm_cvtsi32_si128(precision);
  int64_t i = 0;
  for (; i + 16 <= row_bytes; i += 16) {
    __m256i low = half, high = half;
    for (int t = 0; t < taps; t += 2) {
      const bool both = t + 1 < taps;
      const uint8_t* row = in + t * row_bytes + i;
      const __m256i first = _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(row)));
      const __m256i second =
          both ? _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(row + row_bytes)))
               : _mm256_setzero_si256();
      const __m256i pair = weight_pair(weights + t, both);
      low = _mm256_add_epi32(low, _mm256_madd_epi16(_mm256_unpacklo_epi16(first, second), pair));
      high = _mm256_add_epi32(high, _mm256_madd_epi16(_mm256_unpackhi_epi16(first, second), pair));
    }
    const __m256i words = _mm256_packs_epi32(_mm256_sra_epi32(low, shift), _mm256_sra_epi32(high, shift));
    const __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i), bytes);
  }
  for (; i < row_bytes; ++i) {
    int32_t sum = 0;
    for (int t = 0; t < taps; ++t) sum += in[t * row_bytes + i] * weights[t];
    out[i] = clamp_byte(sum, precision);
  }
}

// Four pixels of three bytes, of which the first two go to the lower half and the others to the upper one, as int16 in
// the order r r g g b b; the rest is zero.
AZ_WIDE __m256i spread_rgb(const uint8_t* pixels) {
  const __m256i order = _mm256_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1,  //
                                         6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1);
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(pixels));
  return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(bytes), order);
}

// Four weights, w0 w1 in every lane of the lower half and w2 w3 in every lane of the upper one.
AZ_WIDE __m256i spread_weights(const int16_t* weights) {
  const __m128i four = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(weights));
  return _mm256_permutevar8x32_epi32(_mm256_castsi128_si256(four), _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1));
}

// One output pixel of three bytes. Whole groups of four taps whose 16 bytes lie in the row go through vectors.
AZ_WIDE void resample_rgb(const uint8_t* pixels, int64_t readable, int taps, const int16_t* weights, int precision,
                          uint8_t* out) {
  __m256i sums = _mm256_setzero_si256();
  int t = 0;
  for (; t + 4 <= taps && 3 * t + 16 <= readable; t += 4)
    sums = _mm256_add_epi32(sums, _mm256_madd_epi16(spread_rgb(pixels + 3 * t), spread_weights(weights + t)));
  alignas(16) int32_t sum[4];
  _mm_store_si128(reinterpret_cast<__m128i*>(sum),
                  _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1)));
  for (; t < taps; ++t)
    for (int c = 0; c < 3; ++c) sum[c] += pixels[3 * t + c] * weights[t];
  for (int c = 0; c < 3; ++c) out[c] = clamp_byte(sum[c], precision);
}

void resample_row(const uint8_t* in, int64_t in_width, int channels, const int32_t* first, const int32_t* count,
                  const int16_t* weights, int max_taps, int precision, int64_t out_width, uint8_t* out) {
  for (int64_t j = 0; j < out_width; ++j, out += channels) {
    const int64_t start = static_cast<int64_t>(first[j]) * channels;
    const int16_t* taps = weights + j * max_taps;
    if (channels == 3) {
      resample_rgb(in + start, in_width * 3 - start, count[j], taps, precision, out);
      continue;
    }
    for (int c = 0; c < channels; ++c) {
      int32_t sum = 0;
      for (int t = 0; t < count[j]; ++t) sum += in[start + t * channels + c] * taps[t];
      out[c] = clamp_byte(sum, precision);
    }
  }
}

}  // namespace
}  // namespace azimuth::kernels
