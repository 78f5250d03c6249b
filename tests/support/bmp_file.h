// Pictures of a test as files.
#pragma once

#include <cstdint>
#include <string>

#include "media/image.h"

namespace azimuth::testing_support {

// The picture as a BMP file with 24 bits a pixel, bottom row first.
inline std::string bmp_file(const media::Image& image) {
  constexpr uint32_t kHeaderBytes = 54;
  const auto row_bytes = static_cast<uint32_t>((3 * image.width + 3) / 4 * 4);
  std::string file = "BM";
  const auto put = [&file](uint32_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) file += static_cast<char>(value >> (8 * i) & 0xff);
  };
  const uint32_t pixel_bytes = row_bytes * static_cast<uint32_t>(image.height);
  for (const uint32_t value : {kHeaderBytes + pixel_bytes, 0u, kHeaderBytes, 40u, static_cast<uint32_t>(image.width),
                               static_cast<uint32_t>(image.height)}) {
    put(value, 4);
  }
  put(1, 2);   // planes
  put(24, 2);  // bits a pixel
  for (const uint32_t value : {0u, pixel_bytes, 2835u, 2835u, 0u, 0u}) put(value, 4);
  for (int64_t y = image.height - 1; y >= 0; --y) {
    for (int64_t x = 0; x < image.width; ++x) {
      for (int64_t c = 2; c >= 0; --c)
        file += static_cast<char>(image.rgb[static_cast<size_t>((y * image.width + x) * 3 + c)]);
    }
    file.append(row_bytes - static_cast<size_t>(3 * image.width), '\0');
  }
  return file;
}

}  // namespace azimuth::testing_support
