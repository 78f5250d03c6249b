#include "media/orientation.h"

#include <cstring>
#include <optional>

namespace azimuth::media {
namespace {

constexpr uint16_t kOrientationTag = 0x0112;

// A TIFF block with its own byte order; reads beyond the end give nothing.
class TiffBlock {
 public:
  explicit TiffBlock(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  bool read_byte_order() {
    if (bytes_.size() < 8) return false;
    big_endian_ = bytes_[0] == 'M';
    return (bytes_[0] == 'M' && bytes_[1] == 'M') || (bytes_[0] == 'I' && bytes_[1] == 'I');
  }

  std::optional<uint32_t> integer(uint64_t offset, int size) const {
    if (offset + size > bytes_.size()) return std::nullopt;
    uint32_t value = 0;
    for (int i = 0; i < size; ++i) value = value << 8 | bytes_[offset + (big_endian_ ? i : size - 1 - i)];
    return value;
  }

 private:
  std::span<const uint8_t> bytes_;
  bool big_endian_ = false;
};

// Bytes of one value of a TIFF integer type, 0 for other types.
int integer_size(uint32_t type) {
  constexpr uint32_t kShort = 3, kLong = 4, kSignedByte = 6, kSignedShort = 8, kSignedLong = 9;
  if (type == kShort || type == kSignedShort) return 2;
  if (type == kLong || type == kSignedLong) return 4;
  return type == kSignedByte ? 1 : 0;
}

// The tag's value; nothing where the first directory has no such tag.
std::optional<uint32_t> find_orientation(const TiffBlock& tiff) {
  const std::optional<uint32_t> directory = tiff.integer(4, 4);
  if (!directory) return std::nullopt;
  const uint32_t entries = tiff.integer(*directory, 2).value_or(0);
  for (uint32_t i = 0; i < entries; ++i) {
    const uint64_t entry = uint64_t{*directory} + 2 + 12 * uint64_t{i};
    const std::optional<uint32_t> tag = tiff.integer(entry, 2);
    if (!tag) return std::nullopt;
    if (*tag != kOrientationTag) continue;
    const int size = integer_size(tiff.integer(entry + 2, 2).value_or(0));
    const bool one_value = tiff.integer(entry + 4, 4) == 1u;
    if (size == 0 || !one_value) return 1;
    return tiff.integer(entry + 8, size).value_or(1);
  }
  return std::nullopt;
}

uint32_t xmp_orientation(std::string_view xmp) {
  constexpr std::string_view kName = "tiff:Orientation";
  for (size_t at = xmp.find(kName); at != std::string_view::npos; at = xmp.find(kName, at + 1)) {
    std::string_view rest = xmp.substr(at + kName.size());
    if (rest.starts_with("=\"")) {
      rest.remove_prefix(2);
    } else if (rest.starts_with(">")) {
      rest.remove_prefix(1);
    } else {
      continue;
    }
    if (!rest.empty() && rest[0] >= '0' && rest[0] <= '9') return static_cast<uint32_t>(rest[0] - '0');
  }
  return 1;
}

}  // namespace

int read_orientation(std::span<const uint8_t> exif, std::string_view xmp) {
  constexpr char kPrefix[] = {'E', 'x', 'i', 'f', 0, 0};
  while (exif.size() >= sizeof(kPrefix) && std::memcmp(exif.data(), kPrefix, sizeof(kPrefix)) == 0) {
    exif = exif.subspan(sizeof(kPrefix));
  }
  TiffBlock tiff(exif);
  std::optional<uint32_t> found;
  if (tiff.read_byte_order()) found = find_orientation(tiff);
  const uint32_t orientation = found ? *found : xmp_orientation(xmp);
  return orientation >= 1 && orientation <= 8 ? static_cast<int>(orientation) : 1;
}

Image apply_orientation(Image image, int orientation) {
  if (orientation <= 1 || orientation > 8) return image;
  const bool swaps_sides = orientation >= 5;
  // In source coordinates, after a possible swap of x and y.
  const bool mirror_x = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool mirror_y = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  Image turned;
  turned.width = swaps_sides ? image.height : image.width;
  turned.height = swaps_sides ? image.width : image.height;
  turned.rgb.resize(image.rgb.size());
  uint8_t* out = turned.rgb.data();
  for (int64_t y = 0; y < turned.height; ++y) {
    for (int64_t x = 0; x < turned.width; ++x, out += 3) {
      int64_t from_x = swaps_sides ? y : x;
      int64_t from_y = swaps_sides ? x : y;
      if (mirror_x) from_x = image.width - 1 - from_x;
      if (mirror_y) from_y = image.height - 1 - from_y;
      std::memcpy(out, &image.rgb[3 * (from_y * image.width + from_x)], 3);
    }
  }
  return turned;
}

}  // namespace azimuth::media
