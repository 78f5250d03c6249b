// Qwen's patch merger: the merge^2 patches of a cell are neighbours, so concatenating them is a change of shape.
#include "vision/normalise.h"
#include "vision/projectors/projector.h"

namespace azimuth::vision {

Tensor patch_merger(const ProjectorSpec& spec, const ProjectorWeights& weights, const Tensor& hidden,
                    ThreadPool& pool) {
  const int64_t width = hidden.shape()[1];
  const int64_t cell_width = width * spec.merge * spec.merge;
  const int64_t cells = hidden.elements() / cell_width;
  const int64_t norm_width = spec.norm_after_shuffle ? cell_width : width;
  Tensor normed({cells, cell_width});
  normalise(weights.norm, spec.norm_eps, hidden.data(), hidden.elements() / norm_width, norm_width, normed.data(),
            pool);
  Tensor inner({cells, weights.first.outputs()});
  weights.first.apply(normed.data(), cells, inner.data(), pool);
  kernels::activate(spec.activation, inner.data(), inner.elements(), pool);
  Tensor output({cells, int64_t{spec.output}});
  weights.second.apply(inner.data(), cells, output.data(), pool);
  return output;
}

}  // namespace azimuth::vision
