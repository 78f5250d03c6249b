// One product, row by row.
#include "vision/projectors/projector.h"

namespace azimuth::vision {

Tensor linear(const ProjectorSpec& spec, const ProjectorWeights& weights, const Tensor& hidden, ThreadPool& pool) {
  Tensor output({hidden.shape()[0], int64_t{spec.output}});
  weights.first.apply(hidden.data(), hidden.shape()[0], output.data(), pool);
  return output;
}

}  // namespace azimuth::vision
