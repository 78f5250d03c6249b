// The array that a reference's processor makes of a whole request, as traces show it.
#pragma once

#include <cstdint>
#include <vector>

#include "preprocess/preprocess.h"
#include "spec/preprocess_spec.h"

namespace azimuth::engine {

// `samples`: the pictures (or videos) of each sample. Shapes as spec.array says. Errors: pixels of other kinds than the
// layout has.
Result<Tensor> pixel_array(const ImageProcessorSpec& spec,
                           const std::vector<std::vector<const preprocess::MediaPixels*>>& samples);

// Of PixelArray::tiles_per_sample, for the same samples: 1 where a tile has pixels, 0 where the array of shape `shape`
// is padding. [samples, tiles, height, width]
std::vector<uint8_t> pixel_mask(const std::vector<std::vector<const preprocess::MediaPixels*>>& samples,
                                const Shape& shape);

}  // namespace azimuth::engine
