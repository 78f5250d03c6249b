#include "media/image.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "media/decoders.h"
#include "media/image_format.h"
#include "media/media_source.h"
#include "media/orientation.h"

namespace azimuth::media {
namespace {

Result<DecodedPixels> decode_pixels(std::span<const uint8_t> bytes, int64_t max_pixels) {
  switch (image_format(bytes)) {
    case ImageFormat::jpeg: return decode_jpeg(bytes, max_pixels);
    case ImageFormat::png: return decode_png(bytes, max_pixels);
    case ImageFormat::webp: return decode_webp(bytes, max_pixels);
    case ImageFormat::gif: return decode_gif(bytes, max_pixels);
    case ImageFormat::bmp: return decode_bmp(bytes, max_pixels);
    case ImageFormat::unknown: break;
  }
  return unsupported("a JPEG, PNG, WebP, GIF or BMP picture was expected, but this looks like " +
                     describe_foreign(bytes) + "; convert it first");
}

// Pillow's blend with white in 8 bits, which equals rounding the exact value half up.
uint8_t on_white(int value, int alpha) {
  return static_cast<uint8_t>(((value * alpha + 255 * (255 - alpha)) * 2 + 255) / 510);
}

std::vector<uint8_t> flatten_alpha(const std::vector<uint8_t>& rgba, AlphaMode mode) {
  std::vector<uint8_t> rgb(rgba.size() / 4 * 3);
  for (size_t i = 0; 4 * i < rgba.size(); ++i) {
    const int alpha = mode == AlphaMode::drop ? 255 : rgba[4 * i + 3];
    for (size_t c = 0; c < 3; ++c) rgb[3 * i + c] = on_white(rgba[4 * i + c], alpha);
  }
  return rgb;
}

Result<std::vector<uint8_t>> read_file(const std::string& path, int64_t max_bytes) {
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status))
    return not_found("a picture file was expected, but there is none; check the path");
  if (!std::filesystem::is_regular_file(status)) {
    return invalid_argument("a picture file was expected, but this is no regular file; name the file itself");
  }
  const uintmax_t size = std::filesystem::file_size(path, error);
  if (error) return invalid_argument("the picture file cannot be read: " + error.message());
  if (size > static_cast<uintmax_t>(max_bytes)) {
    return resource_exhausted("a picture file of at most " + std::to_string(max_bytes) + " bytes was expected, found " +
                              std::to_string(size) + "; shrink it or raise the limit");
  }
  std::ifstream file(path, std::ios::binary);
  std::vector<uint8_t> bytes(size);
  if (!file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(size))) {
    return invalid_argument("the picture file cannot be read; check its permissions");
  }
  return bytes;
}

Result<std::vector<uint8_t>> read_source(const std::string& source, int64_t max_bytes) {
  if (is_web_url(source)) {
    return unsupported("a file or a data: URL was expected, found a web address; download the picture first");
  }
  if (!source.starts_with("data:")) return read_file(source, max_bytes);
  if (source.size() > static_cast<size_t>(max_bytes) * 4 / 3) {
    return resource_exhausted("a data: URL of at most " + std::to_string(max_bytes * 4 / 3) +
                              " characters was expected, found " + std::to_string(source.size()) +
                              "; shrink the picture or raise the limit");
  }
  return decode_data_url(source);
}

}  // namespace

Status check_picture_size(int64_t width, int64_t height, int64_t max_pixels) {
  const std::string size = std::to_string(width) + " x " + std::to_string(height);
  if (width <= 0 || height <= 0) return invalid_argument("a picture with pixels was expected, found one of " + size);
  if (width > max_pixels / height) {
    return resource_exhausted("a picture of at most " + std::to_string(max_pixels) + " pixels was expected, found " +
                              size + " = " +
                              std::to_string(static_cast<uint64_t>(width) * static_cast<uint64_t>(height)) +
                              "; shrink it or raise the limit");
  }
  return ok_status();
}

Status damaged(std::string_view format, std::string_view detail) {
  return data_loss("a complete " + std::string(format) +
                   " file was expected, but it is damaged: " + std::string(detail) + "; save or download it again");
}

Result<Image> decode_image(std::span<const uint8_t> bytes, const DecodeOptions& options) {
  AZ_ASSIGN_OR_RETURN(DecodedPixels decoded, decode_pixels(bytes, options.max_pixels));
  Image image{decoded.width, decoded.height, {}};
  image.rgb = decoded.has_alpha ? flatten_alpha(decoded.values, options.alpha) : std::move(decoded.values);
  return options.apply_orientation ? apply_orientation(std::move(image), decoded.orientation) : image;
}

Result<Image> load_image(const std::string& source, const DecodeOptions& options) {
  Result<std::vector<uint8_t>> bytes = read_source(source, options.max_bytes);
  if (!bytes.ok()) return bytes.status().with_context(shown_source(source));
  Result<Image> image = decode_image(*bytes, options);
  if (!image.ok()) return image.status().with_context(shown_source(source));
  return image;
}

}  // namespace azimuth::media
