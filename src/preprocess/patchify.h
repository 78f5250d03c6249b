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

// A picture, a tile of one or the frames of a video, as the processor's array holds it: cut into patches already, or
// whole planes (ImageProcessorSpec::tower_patches), which patch_rows cuts.
struct Patches {
  // [grid.cells(), 3 * temporal_patch * patch * patch], or planes [3, height, width], of a video [frames, 3, height,
  // width]
  Tensor pixels;
  Grid grid;                // patches, before merging
  PixelSize resized;        // pixels of each frame
  int64_t padded_rows = 0;  // rows of each frame in the processor's array (PixelArray::padded_patches); 0: its patches

  bool planes() const { return pixels.shape().rank() > 2; }
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

// Cuts frames into patches row by row; columns over y, x, channel, as PixelArray::padded_patches has them. Errors as
// above.
Result<Patches> raster_patches(std::span<const media::Image* const> frames, const ImageProcessorSpec& spec,
                               ThreadPool& pool);

// Normalises frames of one size and leaves them whole: [3, height, width] of one, [frames, 3, height, width] of several
// or where `stack` says so. The grid counts whole patches of spec.patch_size; a remainder of pixels is no patch's.
Result<Patches> normalize(std::span<const media::Image* const> frames, const ImageProcessorSpec& spec, bool stack,
                          ThreadPool& pool);

// Rows of patches that a tower reads, out of planes: [grid.cells(), 3 * patch * patch], columns over channel, y, x.
// Rows run by blocks of `merge` x `merge` patches; 1: row by row.
Tensor patch_rows(const Patches& planes, int64_t patch, int64_t merge, ThreadPool& pool);

}  // namespace azimuth::preprocess
