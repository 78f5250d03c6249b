#include "vision/projectors/projector.h"

namespace azimuth::vision {

Result<Tensor> project(const ProjectorSpec& spec, const ProjectorWeights& weights, const Tensor& hidden,
                       const Grid& grid, ThreadPool& pool) {
  switch (spec.kind) {
    case ProjectorKind::patch_merger: return patch_merger(spec, weights, hidden, pool);
    case ProjectorKind::mlp: return mlp_projector(spec, weights, hidden, pool);
    case ProjectorKind::linear: return linear(spec, weights, hidden, pool);
    case ProjectorKind::q_former: return q_former(spec, weights, hidden, pool);
    case ProjectorKind::position_pool: return position_pool(spec, weights, hidden, grid, pool);
    case ProjectorKind::average_pool: return average_pool(spec, weights, hidden, grid, pool);
    case ProjectorKind::visual_table: return visual_table(spec, weights, hidden, pool);
    case ProjectorKind::pixel_shuffle_linear: return pixel_shuffle_linear(spec, weights, hidden, pool);
    case ProjectorKind::perceiver: return perceiver(spec, weights, hidden, grid, pool);
  }
  return internal_error("no such projector");
}

}  // namespace azimuth::vision
