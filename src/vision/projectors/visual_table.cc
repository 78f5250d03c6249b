// Ovis: every cell becomes a distribution over a visual vocabulary, and its feature the mean of the vocabulary's rows
// under it (arXiv 2405.20797; transformers: Ovis2VisionModel). The merge^2 patches of a cell are neighbours.
#include <algorithm>
#include <cmath>

#include "vision/normalise.h"
#include "vision/projectors/projector.h"

namespace azimuth::vision {
namespace {

void softmax(float* row, int64_t width) {
  const float top = *std::max_element(row, row + width);
  float sum = 0.0f;
  for (int64_t i = 0; i < width; ++i) {
    row[i] = std::exp(row[i] - top);
    sum += row[i];
  }
  for (int64_t i = 0; i < width; ++i) row[i] /= sum;
}

void one_hot(float* row, int64_t width) {
  float* const top = std::max_element(row, row + width);
  std::fill_n(row, width, 0.0f);
  *top = 1.0f;
}

}  // namespace

Tensor visual_table(const ProjectorSpec& spec, const ProjectorWeights& weights, const Tensor& hidden,
                    ThreadPool& pool) {
  const int64_t cell_width = hidden.shape()[1] * spec.merge * spec.merge;
  const int64_t cells = hidden.elements() / cell_width;
  Tensor words({cells, weights.first.outputs()});  // of the visual vocabulary
  weights.first.apply(hidden.data(), cells, words.data(), pool);
  normalise(weights.norm, spec.norm_eps, words, words, pool);
  pool.for_each(cells, 1, [&](int64_t begin, int64_t end) {
    for (int64_t cell = begin; cell < end; ++cell) {
      const auto choose = spec.visual_words == VisualWords::weighted ? softmax : one_hot;
      choose(words.row(cell), words.row_elements());
    }
  });
  Tensor output({cells, int64_t{spec.output}});
  weights.second.apply(words.data(), cells, output.data(), pool);
  return output;
}

}  // namespace azimuth::vision
