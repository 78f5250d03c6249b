// What a file is, by its first bytes.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace azimuth::media {

enum class ImageFormat : uint8_t { jpeg, png, webp, gif, bmp, unknown };

ImageFormat image_format(std::span<const uint8_t> bytes);

// For bytes of no known format: what they look like, as words for an error message ("an SVG drawing").
std::string describe_foreign(std::span<const uint8_t> bytes);

}  // namespace azimuth::media
