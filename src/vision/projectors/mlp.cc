// LLaVA's projector: two linear layers with an activation in between, patch by patch.
#include "kernels/kernels.h"
#include "vision/projectors/projector.h"

namespace azimuth::vision {

Tensor mlp_projector(const ProjectorSpec& spec, const ProjectorWeights& weights, const Tensor& hidden,
                     ThreadPool& pool) {
  const int64_t rows = hidden.shape()[0];
  Tensor inner({rows, weights.first.outputs()});  // [patches, inner]
  weights.first.apply(hidden.data(), rows, inner.data(), pool);
  kernels::activate(spec.activation, inner.data(), inner.elements(), pool);
  Tensor output({rows, int64_t{spec.output}});  // [patches, output]
  weights.second.apply(inner.data(), rows, output.data(), pool);
  return output;
}

}  // namespace azimuth::vision
