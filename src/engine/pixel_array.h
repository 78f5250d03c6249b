// The array that a reference's processor makes of a whole request, as traces show it.
#pragma once

#include <vector>

#include "preprocess/preprocess.h"
#include "spec/preprocess_spec.h"

namespace azimuth::engine {

// `samples`: the pictures (or videos) of each sample. Shapes as spec.array says. Errors: pixels of other kinds than the
// layout has.
Result<Tensor> pixel_array(const ImageProcessorSpec& spec,
                           const std::vector<std::vector<const preprocess::MediaPixels*>>& samples);

}  // namespace azimuth::engine
