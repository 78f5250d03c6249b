// Normalised patches of a stack of equally large pictures.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "azimuth/prompt.h"
#include "azimuth/status.h"
#include "base/thread_pool.h"
#include "media/image.h"
#include "preprocess/smart_resize.h"
#include "spec/preprocess_spec.h"
#include "tensor/tensor.h"

namespace azimuth::preprocess {

struct Patches {
  Tensor pixels;      // [grid.t * grid.h * grid.w, 3 * temporal_patch * patch * patch]
  Grid grid;          // patches, before merging
  PixelSize resized;  // pixels of each frame that was cut into patches
};

// What each of the 256 byte values becomes, per channel: rescaling and normalisation are functions of one byte.
using NormalizationTable = std::array<std::array<float, 256>, 3>;

// Bit-equal to what transformers computes with the arithmetic that the spec names. Without rescaling and
// normalisation, bytes are only widened.
NormalizationTable normalization_table(const ImageProcessorSpec& spec);

// Cuts frames into patches. Rows run over t, then blocks of merge x merge patches (h/merge, w/merge, merge, merge);
// columns over channel, frame within the patch, y, x. The last frame is repeated until the count is a multiple of
// temporal_patch_size. Errors: invalid_argument where frames differ in size or do not divide into merged patches.
Result<Patches> patchify(std::span<const media::Image* const> frames, const ImageProcessorSpec& spec, ThreadPool& pool);

}  // namespace azimuth::preprocess
