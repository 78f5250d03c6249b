// The connector of Idefics3 and SmolVLM. Source: transformers, Idefics3Connector.
#include "vision/projectors/projector.h"

namespace azimuth::vision {

// In merge-block order the merge^2 patches of a cell are neighbours, row by row, so concatenating them is a change of
// shape.
Tensor pixel_shuffle_linear(const ProjectorSpec& spec, const ProjectorWeights& weights, const Tensor& hidden,
                            ThreadPool& pool) {
  const int64_t cells = hidden.shape()[0] / (int64_t{spec.merge} * spec.merge);
  Tensor output({cells, int64_t{spec.output}});
  weights.first.apply(hidden.data(), cells, output.data(), pool);
  return output;
}

}  // namespace azimuth::vision
