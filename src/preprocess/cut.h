// Rectangles of pictures: cropping and padding are the same thing.
#pragma once

#include <array>
#include <cstdint>

#include "media/image.h"

namespace azimuth::preprocess {

struct Rectangle {
  int64_t left = 0;  // may lie outside of the picture, like the other sides
  int64_t top = 0;
  int64_t width = 0;
  int64_t height = 0;
};

// The pixels of `part`; where it leaves the picture, `background` (red, green, blue).
media::Image cut(const media::Image& image, const Rectangle& part, const std::array<uint8_t, 3>& background = {});

}  // namespace azimuth::preprocess
