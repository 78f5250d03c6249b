// From the tower's rows to the decoder's: one file per ProjectorKind.
#pragma once

#include "vision/tower.h"

namespace azimuth::vision {

// hidden: the tower's rows of `grid` patches in the tower's order, [grid.cells(), width], of each frame behind its
// class tokens where VisionSpec::class_features. Returns [merged cells, output].
Result<Tensor> project(const ProjectorSpec& spec, const ProjectorWeights& weights, const Tensor& hidden,
                       const Grid& grid, ThreadPool& pool);

// The kinds, with the arguments of project().
Tensor linear(const ProjectorSpec& spec, const ProjectorWeights& weights, const Tensor& hidden, ThreadPool& pool);
Tensor q_former(const ProjectorSpec& spec, const ProjectorWeights& weights, const Tensor& hidden, ThreadPool& pool);
Tensor patch_merger(const ProjectorSpec& spec, const ProjectorWeights& weights, const Tensor& hidden, ThreadPool& pool);
Tensor mlp_projector(const ProjectorSpec& spec, const ProjectorWeights& weights, const Tensor& hidden,
                     ThreadPool& pool);
Tensor position_pool(const ProjectorSpec& spec, const ProjectorWeights& weights, const Tensor& hidden, const Grid& grid,
                     ThreadPool& pool);
Tensor average_pool(const ProjectorSpec& spec, const ProjectorWeights& weights, const Tensor& hidden, const Grid& grid,
                    ThreadPool& pool);
Tensor visual_table(const ProjectorSpec& spec, const ProjectorWeights& weights, const Tensor& hidden, ThreadPool& pool);
Tensor pixel_shuffle_linear(const ProjectorSpec& spec, const ProjectorWeights& weights, const Tensor& hidden,
                            ThreadPool& pool);
Tensor perceiver(const ProjectorSpec& spec, const ProjectorWeights& weights, const Tensor& hidden, const Grid& grid,
                 ThreadPool& pool);

}  // namespace azimuth::vision
