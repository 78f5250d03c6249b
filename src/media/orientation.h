// Which way up a picture is, from its EXIF block or XMP packet.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "media/image.h"

namespace azimuth::media {

// The orientation 1-8 that Pillow's exif_transpose would use: the EXIF tag, or where EXIF has none, the attribute of
// the XMP packet. `exif` may begin with "Exif\0\0"; both may be empty. Damaged blocks count as absent (1).
int read_orientation(std::span<const uint8_t> exif, std::string_view xmp);

// Turns and mirrors a picture so that it is seen as orientation 1.
Image apply_orientation(Image image, int orientation);

}  // namespace azimuth::media
