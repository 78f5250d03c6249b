// Projectors: from the tower's patches to the decoder's tokens.
#pragma once

#include "spec/vision_spec.h"
#include "vision/tower.h"

namespace azimuth::vision {

// hidden [patches, width] in merge-block order -> [patches / merge^2, output].
Tensor project(const ProjectorSpec& spec, const ProjectorWeights& weights, const Tensor& hidden, ThreadPool& pool);

}  // namespace azimuth::vision
