// Gemma 3's projector: the mean over merge x merge patches, an RMS norm, one matrix. Rows and columns that no whole
// cell covers are left out. Source: transformers, modeling_gemma3.py (Gemma3MultiModalProjector).
#include "vision/normalise.h"
#include "vision/projectors/projector.h"

namespace azimuth::vision {
namespace {

// patches [grid.cells(), width], row by row -> [merged cells, width]
Tensor pooled(const Tensor& patches, const Grid& grid, int64_t merge) {
  const int64_t width = patches.row_elements();
  const int64_t rows = grid.h / merge;
  const int64_t columns = grid.w / merge;
  Tensor cells = Tensor::zeros({grid.t * rows * columns, width});
  for (int64_t cell = 0; cell < cells.shape()[0]; ++cell) {
    const int64_t top = cell / columns / rows * grid.h + cell / columns % rows * merge;  // among the rows of all frames
    const int64_t left = cell % columns * merge;
    float* out = cells.row(cell);
    for (int64_t patch = 0; patch < merge * merge; ++patch) {
      const float* in = patches.row((top + patch / merge) * grid.w + left + patch % merge);
      for (int64_t channel = 0; channel < width; ++channel) out[channel] += in[channel];
    }
    for (int64_t channel = 0; channel < width; ++channel) out[channel] /= static_cast<float>(merge * merge);
  }
  return cells;
}

}  // namespace

Tensor average_pool(const ProjectorSpec& spec, const ProjectorWeights& weights, const Tensor& hidden, const Grid& grid,
                    ThreadPool& pool) {
  Tensor cells = pooled(hidden, grid, spec.merge);
  normalise(weights.norm, spec.norm_eps, cells, cells, pool);
  Tensor output({cells.shape()[0], int64_t{spec.output}});  // [cells, output]
  weights.first.apply(cells.data(), cells.shape()[0], output.data(), pool);
  return output;
}

}  // namespace azimuth::vision
