#include "kernels/generic/generic.h"

namespace azimuth::kernels::generic {
namespace {

uint8_t rounded(int32_t sum, int precision) {
  const int32_t value = (sum + ((1 << precision) >> 1)) >> precision;
  return static_cast<uint8_t>(value < 0 ? 0 : value > 255 ? 255 : value);
}

}  // namespace

void resample_row(const uint8_t* in, int64_t /*in_width*/, int channels, const int32_t* first, const int32_t* count,
                  const int16_t* weights, int max_taps, int precision, int64_t out_width, uint8_t* out) {
  for (int64_t j = 0; j < out_width; ++j) {
    const uint8_t* pixels = in + static_cast<int64_t>(first[j]) * channels;
    const int16_t* taps = weights + j * max_taps;
    for (int c = 0; c < channels; ++c) {
      int32_t sum = 0;
      for (int t = 0; t < count[j]; ++t) sum += pixels[t * channels + c] * taps[t];
      *out++ = rounded(sum, precision);
    }
  }
}

void resample_column(const uint8_t* in, int64_t row_bytes, int taps, const int16_t* weights, int precision,
                     uint8_t* out) {
  for (int64_t i = 0; i < row_bytes; ++i) {
    int32_t sum = 0;
    for (int t = 0; t < taps; ++t) sum += in[t * row_bytes + i] * weights[t];
    out[i] = rounded(sum, precision);
  }
}

}  // namespace azimuth::kernels::generic
