// From one picture to the pictures that a tower sees: one file per PreprocessScheme. Normalising and cutting into
// patches is common to all (preprocess.cc).
#pragma once

#include <vector>

#include "azimuth/status.h"
#include "base/thread_pool.h"
#include "media/image.h"
#include "preprocess/smart_resize.h"
#include "spec/preprocess_spec.h"

namespace azimuth::preprocess {

// Resized and divided; named as in MediaPixels.
struct DividedPicture {
  std::vector<media::Image> tiles;
  int64_t tile_rows = 1;
  int64_t tile_columns = 1;
  int global_tile = -1;
};

// Errors of each: what its file says. check_resized_pixels bounds what any of them allocates.
Result<DividedPicture> divide_smart_resize(const media::Image& image, const ImageProcessorSpec& spec, ThreadPool& pool);
Result<DividedPicture> divide_fixed(const media::Image& image, const ImageProcessorSpec& spec, ThreadPool& pool);
Result<DividedPicture> divide_any_resolution(const media::Image& image, const ImageProcessorSpec& spec,
                                             ThreadPool& pool);
Result<DividedPicture> divide_canvas(const media::Image& image, const ImageProcessorSpec& spec, ThreadPool& pool);
Result<DividedPicture> divide_token_budget(const media::Image& image, const ImageProcessorSpec& spec, ThreadPool& pool);
Result<DividedPicture> divide_pan_and_scan(const media::Image& image, const ImageProcessorSpec& spec, ThreadPool& pool);
Result<DividedPicture> divide_tiles(const media::Image& image, const ImageProcessorSpec& spec, ThreadPool& pool);
// A picture of one pixel per side has no quarters.
Result<DividedPicture> divide_quarters(const media::Image& image, const ImageProcessorSpec& spec, ThreadPool& pool);
Result<DividedPicture> divide_split(const media::Image& image, const ImageProcessorSpec& spec, ThreadPool& pool);

// resource_exhausted beyond kMaxResizedPixels for `frames` pictures of this size.
Status check_resized_pixels(int64_t frames, PixelSize size);

// `image` at `size`; a copy where it has that size.
Result<media::Image> resized(const media::Image& image, PixelSize size, const ImageProcessorSpec& spec,
                             ThreadPool& pool);

}  // namespace azimuth::preprocess
