// Pictures from files, memory and data: URLs, decoded to the pixels that transformers 5.23.0 with Pillow 13 would see.
//
// The format is told from the first bytes alone, never from a name or MIME type. JPEG, PNG, WebP, GIF and BMP are read;
// of an animation, the first frame. Grey is repeated, 16 bits lose their low byte (16-bit grey is clipped at 255, as
// Pillow does), CMYK is taken as Adobe writes it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "azimuth/status.h"

namespace azimuth::media {

struct Image {
  int64_t width = 0;
  int64_t height = 0;
  std::vector<uint8_t> rgb;  // [height, width, 3]

  bool operator==(const Image&) const = default;
};

// What happens to transparency.
enum class AlphaMode : uint8_t {
  on_white,  // blended with a white background: transformers 5.23.0 given an opened picture
  drop,      // colours as stored: transformers 4.57, and 5.23.0 given a path
};

struct DecodeOptions {
  AlphaMode alpha = AlphaMode::on_white;
  bool apply_orientation = true;  // turn and mirror by the EXIF (or XMP) orientation 1-8
  // Most pixels of a picture, checked in its header before anything is allocated; Pillow's own limit.
  int64_t max_pixels = 178'956'970;
  // Most bytes of an encoded picture that load_image reads.
  int64_t max_bytes = int64_t{256} << 20;
};

// Decodes one encoded picture.
// Errors: unsupported for another format, naming what the bytes look like; data_loss for a damaged or truncated file;
// resource_exhausted beyond options.max_pixels, naming both numbers; invalid_argument for an empty picture.
Result<Image> decode_image(std::span<const uint8_t> bytes, const DecodeOptions& options = {});

// Reads a file, or a base64 "data:" URL, and decodes it. Nothing is fetched over a network. Errors begin with the path
// (for a data: URL, with its first bytes); not_found where there is no such file.
Result<Image> load_image(const std::string& source, const DecodeOptions& options = {});

// The bytes of a "data:[type][;parameters];base64,..." URL. The declared type is ignored; blanks and line ends inside
// the data are skipped, percent-encoded characters are decoded. Errors: invalid_argument, unless it is base64 with
// data.
Result<std::vector<uint8_t>> decode_data_url(std::string_view url);

}  // namespace azimuth::media
