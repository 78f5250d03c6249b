#include "media/letterbox.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "media/resize.h"

namespace azimuth::media {
namespace {

constexpr int kChannels = 3;

// Python's round: halves go to the even neighbour.
int64_t scaled(int64_t side, double scale) {
  return std::max<int64_t>(1, static_cast<int64_t>(std::nearbyint(static_cast<double>(side) * scale)));
}

void paste(const Image& image, Image& canvas) {
  const int64_t left = (canvas.width - image.width) / 2;
  const int64_t top = (canvas.height - image.height) / 2;
  for (int64_t y = 0; y < image.height; ++y) {
    std::copy_n(&image.rgb[static_cast<size_t>(y * image.width * kChannels)], image.width * kChannels,
                &canvas.rgb[static_cast<size_t>(((top + y) * canvas.width + left) * kChannels)]);
  }
}

}  // namespace

Result<Image> letterbox(const Image& image, int64_t size, ThreadPool& pool) {
  if (size < 1) return invalid_argument("a square of at least 1 pixel was expected, found " + std::to_string(size));
  const double longer = static_cast<double>(std::max({image.width, image.height, int64_t{1}}));
  const double scale = static_cast<double>(size) / longer;
  AZ_ASSIGN_OR_RETURN(const Image resized, resize(image, scaled(image.width, scale), scaled(image.height, scale),
                                                  ResampleFilter::bicubic, PixelArithmetic::pillow, pool));
  Image canvas{size, size, std::vector<uint8_t>(static_cast<size_t>(size * size * kChannels))};
  paste(resized, canvas);
  return canvas;
}

}  // namespace azimuth::media
