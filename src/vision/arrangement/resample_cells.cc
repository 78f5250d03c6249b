#include "vision/arrangement/resample_cells.h"

#include "positions/tower/resample_rules.h"

namespace azimuth::vision {

using positions::AxisTaps;

Tensor resample_cells(const Tensor& cells, int64_t rows, int64_t columns, int64_t to_rows, int64_t to_columns) {
  const int64_t width = cells.row_elements();
  Tensor out({to_rows * to_columns, width});
  for (int64_t r = 0; r < to_rows; ++r) {
    const AxisTaps down = positions::bilinear(static_cast<int32_t>(r), to_rows, static_cast<int>(rows));
    for (int64_t c = 0; c < to_columns; ++c) {
      const AxisTaps across = positions::bilinear(static_cast<int32_t>(c), to_columns, static_cast<int>(columns));
      float* to = out.row(r * to_columns + c);
      for (int64_t channel = 0; channel < width; ++channel) {
        float sum = 0.0f;
        for (int y = 0; y < down.count; ++y) {
          float line = 0.0f;
          for (int x = 0; x < across.count; ++x) {
            line += across.weight[x] * cells.row(down.index[y] * columns + across.index[x])[channel];
          }
          sum += down.weight[y] * line;
        }
        to[channel] = sum;
      }
    }
  }
  return out;
}

}  // namespace azimuth::vision
