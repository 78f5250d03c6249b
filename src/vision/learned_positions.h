// The tokens of a tower before its first layer: class tokens in front of each frame, learned positions on all.
#pragma once

#include <vector>

#include "positions/tower/patch_positions.h"
#include "vision/tower.h"

namespace azimuth::vision {

// Adds the learned positions of the spec, if any, resampled as `resample` says, to `hidden` [frames, class_tokens +
// frame, hidden], and writes the class tokens. `frame` holds the patches of one frame of `grid`; a patch at (-1, -1) is
// a pad and gets none. Errors: a grid beyond the tables of columns and rows.
Status add_learned_positions(const VisionSpec& spec, const TowerWeights& weights, const Grid& grid,
                             GridResample resample, const std::vector<positions::PatchPosition>& frame, Tensor& hidden,
                             ThreadPool& pool);

}  // namespace azimuth::vision
