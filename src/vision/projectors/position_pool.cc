// Gemma 4's way to the decoder: the patches of a cell are averaged and scaled by sqrt(hidden), moved to a learned mean
// and spread where the tower has them, normalised and projected. Source: transformers, modeling_gemma4.py,
// Gemma4VisionPooler, Gemma4VisionModel and Gemma4MultimodalEmbedder.
#include <cmath>

#include "kernels/kernels.h"
#include "vision/projectors/projector.h"

namespace azimuth::vision {
namespace {

// The mean of the merge x merge patches of cell (y, x) of a frame whose first row is `first`, into `out`.
void average_cell(const Tensor& hidden, const Grid& grid, int merge, int64_t first, int64_t y, int64_t x, float* out) {
  const int64_t width = hidden.row_elements();
  std::fill_n(out, width, 0.0f);
  for (int64_t row = y * merge; row < (y + 1) * merge; ++row) {
    for (int64_t column = x * merge; column < (x + 1) * merge; ++column) {
      const float* patch = hidden.row(first + row * grid.w + column);
      for (int64_t channel = 0; channel < width; ++channel) out[channel] += patch[channel];
    }
  }
  const float share = 1.0f / static_cast<float>(merge * merge);
  for (int64_t channel = 0; channel < width; ++channel) out[channel] *= share;
}

}  // namespace

Tensor position_pool(const ProjectorSpec& spec, const ProjectorWeights& weights, const Tensor& hidden, const Grid& grid,
                     ThreadPool& pool) {
  const int64_t width = hidden.row_elements();
  const Grid cells = spec.merged(grid);
  const float scale = std::sqrt(static_cast<float>(width));
  Tensor pooled({cells.cells(), width});
  constexpr int64_t kCellsPerTask = 16;
  pool.for_each(cells.cells(), kCellsPerTask, [&](int64_t begin, int64_t end) {
    for (int64_t cell = begin; cell < end; ++cell) {
      const int64_t frame = cell / (cells.h * cells.w);
      const int64_t within = cell % (cells.h * cells.w);
      float* out = pooled.row(cell);
      average_cell(hidden, grid, spec.merge, frame * grid.h * grid.w, within / cells.w, within % cells.w, out);
      for (int64_t channel = 0; channel < width; ++channel) {
        out[channel] *= scale;
        if (spec.standardise)
          out[channel] = (out[channel] - weights.mean.data()[channel]) * weights.scale.data()[channel];
      }
    }
  });
  kernels::rms_norm(pooled.data(), cells.cells(), width, width, nullptr, spec.norm_eps, pooled.data(), width, pool);
  Tensor output({cells.cells(), int64_t{spec.output}});
  weights.second.apply(pooled.data(), cells.cells(), output.data(), pool);
  return output;
}

}  // namespace azimuth::vision
