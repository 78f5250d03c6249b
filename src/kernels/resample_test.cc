#include "kernels/levels_test.h"

namespace azimuth::kernels {
namespace {

class ResampleTest : public LevelTest {};
AZ_AT_EVERY_LEVEL(ResampleTest);

ResampleTaps random_taps(int64_t in_size, int64_t out_size, Random& random) {
  ResampleTaps taps;
  taps.out_size = out_size;
  taps.max_taps = static_cast<int>(random.integer(1, std::min<int64_t>(in_size, 13)));
  taps.precision = static_cast<int>(random.integer(8, 15));
  taps.weights.assign(static_cast<size_t>(out_size * taps.max_taps), 0);
  for (int64_t j = 0; j < out_size; ++j) {
    taps.count.push_back(static_cast<int32_t>(random.integer(1, taps.max_taps)));
    taps.first.push_back(static_cast<int32_t>(random.integer(0, in_size - taps.count[j])));
    for (int t = 0; t < taps.count[j]; ++t)
      taps.weights[j * taps.max_taps + t] = static_cast<int16_t>(random.integer(-8000, 16000));
  }
  return taps;
}

uint8_t expected_byte(int64_t sum, int precision) {
  return static_cast<uint8_t>(std::clamp<int64_t>((sum + (int64_t{1} << (precision - 1))) >> precision, 0, 255));
}

TEST_P(ResampleTest, RowsAndColumnsAreExact) {
  Random random(1);
  ThreadPool pool(2);
  for (int round = 0; round < 60; ++round) {
    const int channels = static_cast<int>(random.integer(1, 4));
    const int64_t height = random.integer(1, 40), width = random.integer(1, 90), size = random.integer(1, 70);
    std::vector<uint8_t> in(static_cast<size_t>(height * width * channels));
    for (uint8_t& byte : in) byte = static_cast<uint8_t>(random.integer(0, 255));

    const ResampleTaps across = random_taps(width, size, random);
    std::vector<uint8_t> out(static_cast<size_t>(height * size * channels));
    resample_rows(in.data(), height, width, channels, across, out.data(), pool);
    for (int64_t i = 0; i < height * size * channels; ++i) {
      const int64_t row = i / (size * channels), j = i / channels % size, c = i % channels;
      int64_t sum = 0;
      for (int t = 0; t < across.count[j]; ++t)
        sum += in[(row * width + across.first[j] + t) * channels + c] * across.weights[j * across.max_taps + t];
      ASSERT_EQ(out[i], expected_byte(sum, across.precision));
    }

    const ResampleTaps down = random_taps(height, size, random);
    const int64_t row_bytes = width * channels;
    out.assign(static_cast<size_t>(size * row_bytes), 0);
    resample_columns(in.data(), height, row_bytes, down, out.data(), pool);
    for (int64_t i = 0; i < size * row_bytes; ++i) {
      const int64_t j = i / row_bytes;
      int64_t sum = 0;
      for (int t = 0; t < down.count[j]; ++t)
        sum += in[(down.first[j] + t) * row_bytes + i % row_bytes] * down.weights[j * down.max_taps + t];
      ASSERT_EQ(out[i], expected_byte(sum, down.precision));
    }
  }
}

}  // namespace
}  // namespace azimuth::kernels
