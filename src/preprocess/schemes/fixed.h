// The steps of processors with one size for all pictures, which other schemes take for each of their tiles.
#pragma once

#include "preprocess/schemes/scheme.h"

namespace azimuth::preprocess {

// Padded to a square around its middle, with the mean colour. Errors: resource_exhausted for a very long picture.
Result<media::Image> padded_to_square(const media::Image& image, const ImageProcessorSpec& spec);

// Resized (by the shorter edge where the spec has one) and cut from the middle, each where the spec says so.
Result<media::Image> resized_and_cropped(const media::Image& image, const ImageProcessorSpec& spec, ThreadPool& pool);

}  // namespace azimuth::preprocess
