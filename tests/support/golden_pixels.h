// Pictures and checksums that tests/oracle/*_goldens.py compute in the same way.
#pragma once

#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <vector>

#include "media/image.h"

namespace azimuth::golden {

// noise() of media_goldens.py: [height, width, 3] bytes that a seed fixes.
inline media::Image noise(uint64_t seed, int64_t width, int64_t height) {
  media::Image image{width, height, std::vector<uint8_t>(static_cast<size_t>(width) * height * 3)};
  for (size_t i = 0; i < image.rgb.size(); ++i) {
    auto x = static_cast<uint32_t>(i * 2654435761u + seed * 40503 + 12345);
    x ^= x >> 15;
    x *= 2246822519u;
    x ^= x >> 13;
    x *= 3266489917u;
    x ^= x >> 16;
    image.rgb[i] = static_cast<uint8_t>(x);
  }
  return image;
}

// zlib.crc32
inline uint32_t crc32(std::span<const uint8_t> bytes) {
  uint32_t crc = 0xffffffffu;
  for (uint8_t byte : bytes) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0u);
  }
  return ~crc;
}

inline std::vector<uint8_t> read_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace azimuth::golden
