// A whole picture inside a square, with black bars.
#pragma once

#include <cstdint>

#include "azimuth/status.h"
#include "base/thread_pool.h"
#include "media/image.h"

namespace azimuth::media {

// Resizes so that the longer side is `size` pixels and puts the picture into the middle of a black square of that size
// (an odd pixel more goes below or to the right). Bicubic in Pillow's arithmetic; sides are rounded half to even, and
// no side falls below one pixel. Equal to letterbox_square of CORA (wooseungw/panollava, anyres_e2p.py), which fails
// there. Errors: as resize.
Result<Image> letterbox(const Image& image, int64_t size, ThreadPool& pool);

}  // namespace azimuth::media
