#include "kernels/dispatch.h"
#include "kernels/kernels.h"

namespace azimuth::kernels {

void resample_rows(const uint8_t* in, int64_t rows, int64_t in_width, int channels, const ResampleTaps& taps,
                   uint8_t* out, ThreadPool& pool) {
  const KernelTable& table = active_table();
  auto run = [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row)
      table.resample_row(in + row * in_width * channels, in_width, channels, taps.first.data(), taps.count.data(),
                         taps.weights.data(), taps.max_taps, taps.precision, taps.out_size,
                         out + row * taps.out_size * channels);
  };
  pool.for_each(rows, 8, run);
}

void resample_columns(const uint8_t* in, int64_t /*in_height*/, int64_t row_bytes, const ResampleTaps& taps,
                      uint8_t* out, ThreadPool& pool) {
  const KernelTable& table = active_table();
  auto run = [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row)
      table.resample_column(in + taps.first[row] * row_bytes, row_bytes, taps.count[row],
                            taps.weights.data() + row * taps.max_taps, taps.precision, out + row * row_bytes);
  };
  pool.for_each(taps.out_size, 8, run);
}

}  // namespace azimuth::kernels
