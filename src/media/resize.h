// Antialiased resizing of 8-bit pictures, bit-exact with torchvision (uint8 tensors on a CPU) and with Pillow 13.
#pragma once

#include <cstdint>
#include <vector>

#include "azimuth/status.h"
#include "base/thread_pool.h"
#include "kernels/kernels.h"
#include "media/image.h"
#include "spec/preprocess_spec.h"

namespace azimuth::media {

// The source pixels that each output pixel of one dimension is a weighted sum of, before rounding. Both libraries share
// this step: the filter is widened by in/out when shrinking, cut at the borders and normalised to a sum of 1.
struct FilterTaps {
  int64_t out_size = 0;
  int max_taps = 0;
  std::vector<int32_t> first;   // [out_size]
  std::vector<int32_t> count;   // [out_size]
  std::vector<double> weights;  // [out_size, max_taps], zero behind count
};
FilterTaps filter_taps(int64_t in_size, int64_t out_size, ResampleFilter filter);

// The taps with torchvision's rounding: int16, with as many bits as the largest weight allows.
kernels::ResampleTaps torchvision_taps(int64_t in_size, int64_t out_size, ResampleFilter filter);

// Resizes to width x height. A dimension that does not change is not filtered.
// Errors: invalid_argument for an empty picture or target, resource_exhausted where the target exceeds 2^28 pixels or a
// side exceeds 2^24.
Result<Image> resize(const Image& image, int64_t width, int64_t height, ResampleFilter filter,
                     PixelArithmetic arithmetic, ThreadPool& pool);

}  // namespace azimuth::media
