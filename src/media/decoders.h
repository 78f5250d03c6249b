// One decoder per file format, behind media/image.h. Each checks the size in the header against the limit before it
// allocates pixels.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "azimuth/status.h"

namespace azimuth::media {

struct DecodedPixels {
  int64_t width = 0;
  int64_t height = 0;
  bool has_alpha = false;
  std::vector<uint8_t> values;  // [height, width, has_alpha ? 4 : 3], colours not multiplied by alpha
  int orientation = 1;          // EXIF convention, 1-8
};

Result<DecodedPixels> decode_jpeg(std::span<const uint8_t> bytes, int64_t max_pixels);
Result<DecodedPixels> decode_png(std::span<const uint8_t> bytes, int64_t max_pixels);
Result<DecodedPixels> decode_webp(std::span<const uint8_t> bytes, int64_t max_pixels);
Result<DecodedPixels> decode_gif(std::span<const uint8_t> bytes, int64_t max_pixels);
Result<DecodedPixels> decode_bmp(std::span<const uint8_t> bytes, int64_t max_pixels);

// invalid_argument for an empty picture, resource_exhausted for more than max_pixels.
Status check_picture_size(int64_t width, int64_t height, int64_t max_pixels);

// data_loss "a complete <format> file was expected, but <detail>; ..."
Status damaged(std::string_view format, std::string_view detail);

}  // namespace azimuth::media
