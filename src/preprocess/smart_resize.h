// The size that a picture or a video's frames are resized to under PreprocessScheme::smart_resize.
//
// Follows smart_resize of transformers 5.23.0 (image_processing_qwen2_vl.py and video_processing_qwen3_vl.py): sides
// are rounded half to even to multiples of a factor; where the area then leaves its bounds, both sides are scaled.
#pragma once

#include <cstdint>

#include "azimuth/status.h"

namespace azimuth::preprocess {

struct PixelSize {
  int64_t width = 0;
  int64_t height = 0;
  bool operator==(const PixelSize&) const = default;
};

struct PixelBounds {
  int64_t min_pixels = 0;
  int64_t max_pixels = 0;
};

// `factor` is patch_size * merge_size. Errors: invalid_argument for an empty size or where one side is more than 200
// times the other.
Result<PixelSize> smart_resize(PixelSize size, int64_t factor, PixelBounds bounds);

// The same for `frames` frames whose pixels are counted together; frames are rounded to multiples of `temporal_factor`.
// Frames smaller than the factor are first enlarged to it. Errors as above, and for fewer frames than temporal_factor.
Result<PixelSize> smart_resize_video(int64_t frames, PixelSize size, int64_t temporal_factor, int64_t factor,
                                     PixelBounds bounds);

}  // namespace azimuth::preprocess
