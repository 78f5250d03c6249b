// Windows bitmaps, read as Pillow reads them: palettes of 1, 4 and 8 bits (RLE too), 16, 24 and 32 bits with the
// channel masks that occur in practice. There is no well-kept small library for them.
#include <algorithm>
#include <array>
#include <optional>
#include <string>

#include "media/decoders.h"

namespace azimuth::media {
namespace {

enum Compression : uint32_t { kRaw = 0, kRle8 = 1, kRle4 = 2, kBitfields = 3 };

constexpr size_t kFileHeaderBytes = 14;

struct BmpHeader {
  int64_t width = 0;
  int64_t height = 0;
  bool top_down = false;
  int bits = 0;
  uint32_t compression = kRaw;
  int64_t colors = 0;
  int palette_entry_bytes = 4;
  size_t palette_offset = 0;
  size_t pixel_offset = 0;
  std::array<uint32_t, 4> masks{};  // red, green, blue, alpha
};

class BmpBytes {
 public:
  explicit BmpBytes(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  bool holds(size_t offset, size_t count) const { return offset <= bytes_.size() && count <= bytes_.size() - offset; }
  // Little-endian; zero beyond the end, which callers rule out by holds().
  uint32_t integer(size_t offset, int size) const {
    uint32_t value = 0;
    for (int i = size - 1; i >= 0; --i) value = value << 8 | (holds(offset + i, 1) ? bytes_[offset + i] : 0);
    return value;
  }
  std::span<const uint8_t> all() const { return bytes_; }

 private:
  std::span<const uint8_t> bytes_;
};

Status truncated() {
  return damaged("BMP", "it ends before its picture is complete");
}

void read_core_header(const BmpBytes& file, BmpHeader& header) {
  header.width = file.integer(18, 2);
  header.height = file.integer(20, 2);
  header.bits = static_cast<int>(file.integer(24, 2));
  header.palette_entry_bytes = 3;
}

void read_info_header(const BmpBytes& file, BmpHeader& header) {
  header.width = file.integer(18, 4);
  header.top_down = file.integer(25, 1) == 0xff;
  const uint32_t height = file.integer(22, 4);
  header.height = header.top_down ? int64_t{uint32_t(-height)} : int64_t{height};
  header.bits = static_cast<int>(file.integer(28, 2));
  header.compression = file.integer(30, 4);
  header.colors = file.integer(46, 4);
}

void read_masks(const BmpBytes& file, uint32_t header_bytes, BmpHeader& header) {
  constexpr size_t kMaskOffset = 54;
  const int mask_count = header_bytes >= 56 ? 4 : 3;
  for (int i = 0; i < mask_count; ++i) header.masks[i] = file.integer(kMaskOffset + 4 * i, 4);
}

Result<BmpHeader> read_header(const BmpBytes& file) {
  const uint32_t header_bytes = file.integer(kFileHeaderBytes, 4);
  constexpr std::array<uint32_t, 7> kKnownSizes = {12, 40, 52, 56, 64, 108, 124};
  if (std::ranges::find(kKnownSizes, header_bytes) == kKnownSizes.end()) {
    return unsupported("a BMP header of 12, 40, 52, 56, 64, 108 or 124 bytes was expected, found " +
                       std::to_string(header_bytes) + "; convert the picture to PNG");
  }
  if (!file.holds(kFileHeaderBytes, header_bytes)) return truncated();
  BmpHeader header;
  if (header_bytes == 12) {
    read_core_header(file, header);
  } else {
    read_info_header(file, header);
  }
  header.palette_offset = kFileHeaderBytes + header_bytes;
  if (header.compression == kBitfields) {
    read_masks(file, header_bytes, header);
    if (header_bytes == 40) header.palette_offset += 12;
  }
  if (header.colors == 0 && header.bits <= 8) header.colors = int64_t{1} << header.bits;
  header.pixel_offset = file.integer(10, 4);
  const size_t palette_end =
      header.palette_offset + header.palette_entry_bytes * std::min<int64_t>(header.colors, 65536);
  const bool offset_skips_palette = header.pixel_offset == kFileHeaderBytes + header_bytes && header.bits <= 8;
  if (header.pixel_offset == 0 || offset_skips_palette)
    header.pixel_offset = header.bits <= 8 ? palette_end : header.palette_offset;
  return header;
}

// Where each channel lies in a pixel of 16, 24 or 32 bits: a shift and a width.
struct ChannelLayout {
  std::array<int, 4> shift{};  // red, green, blue, alpha
  std::array<int, 4> bits{};   // alpha 0: opaque
};

// The layouts that Pillow knows; others are refused rather than guessed.
std::optional<ChannelLayout> channel_layout(const BmpHeader& header) {
  constexpr ChannelLayout kBgr{{16, 8, 0, 0}, {8, 8, 8, 0}};
  constexpr ChannelLayout kBgr15{{10, 5, 0, 0}, {5, 5, 5, 0}};
  constexpr ChannelLayout kBgr16{{11, 5, 0, 0}, {5, 6, 5, 0}};
  if (header.compression != kBitfields) return header.bits == 16 ? kBgr15 : kBgr;
  struct Known {
    int bits;
    std::array<uint32_t, 4> masks;
    ChannelLayout layout;
  };
  static constexpr std::array<Known, 11> kKnown = {{
      {16, {0xf800, 0x7e0, 0x1f, 0}, kBgr16},
      {16, {0x7c00, 0x3e0, 0x1f, 0}, kBgr15},
      {24, {0xff0000, 0xff00, 0xff, 0}, kBgr},
      {32, {0xff0000, 0xff00, 0xff, 0}, kBgr},
      {32, {0xff000000, 0xff0000, 0xff00, 0}, {{24, 16, 8, 0}, {8, 8, 8, 0}}},
      {32, {0xff000000, 0xff00, 0xff, 0}, {{24, 8, 0, 0}, {8, 8, 8, 0}}},
      {32, {0xff000000, 0xff0000, 0xff00, 0xff}, {{24, 16, 8, 0}, {8, 8, 8, 8}}},
      {32, {0xff, 0xff00, 0xff0000, 0xff000000}, {{0, 8, 16, 24}, {8, 8, 8, 8}}},
      {32, {0xff0000, 0xff00, 0xff, 0xff000000}, {{16, 8, 0, 24}, {8, 8, 8, 8}}},
      {32, {0xff000000, 0xff00, 0xff, 0xff0000}, {{24, 8, 0, 16}, {8, 8, 8, 8}}},
      {32, {0, 0, 0, 0}, {{16, 8, 0, 24}, {8, 8, 8, 8}}},
  }};
  for (const Known& known : kKnown) {
    const int compared = header.bits == 32 ? 4 : 3;
    if (known.bits == header.bits &&
        std::equal(known.masks.begin(), known.masks.begin() + compared, header.masks.begin())) {
      return known.layout;
    }
  }
  return std::nullopt;
}

Status check_kind(const BmpHeader& header) {
  constexpr std::array<int, 6> kDepths = {1, 4, 8, 16, 24, 32};
  const bool is_rle = header.compression == kRle8 || header.compression == kRle4;
  const bool depth_known = std::ranges::find(kDepths, header.bits) != kDepths.end();
  const bool kind_known = is_rle ? header.bits <= 8 && header.bits > 1
                                 : header.compression == kRaw || (header.compression == kBitfields && header.bits > 8);
  if (depth_known && kind_known && (header.bits <= 8 || channel_layout(header))) return ok_status();
  return unsupported("a BMP of 1, 4, 8, 16, 24 or 32 bits with common channel masks was expected, found " +
                     std::to_string(header.bits) + " bits with compression " + std::to_string(header.compression) +
                     "; convert the picture to PNG");
}

using Palette = std::array<std::array<uint8_t, 3>, 256>;

Palette read_palette(const BmpBytes& file, const BmpHeader& header) {
  Palette palette{};
  for (int64_t i = 0; i < std::min<int64_t>(header.colors, 256); ++i) {
    const size_t entry = header.palette_offset + i * header.palette_entry_bytes;
    for (int c = 0; c < 3; ++c) palette[i][c] = static_cast<uint8_t>(file.integer(entry + 2 - c, 1));
  }
  return palette;
}

// Unpacks rows of 1, 4 or 8 bits to one byte per pixel, in file order.
Result<std::vector<uint8_t>> unpack_indices(const BmpBytes& file, const BmpHeader& header, size_t row_bytes) {
  if (!file.holds(header.pixel_offset, row_bytes * header.height)) return truncated();
  std::vector<uint8_t> indices(header.width * header.height);
  const int per_byte = 8 / header.bits;
  const int mask = (1 << header.bits) - 1;
  for (int64_t y = 0; y < header.height; ++y) {
    const uint8_t* row = file.all().data() + header.pixel_offset + y * row_bytes;
    for (int64_t x = 0; x < header.width; ++x) {
      const int shift = static_cast<int>(8 - header.bits * (1 + x % per_byte));
      indices[y * header.width + x] = static_cast<uint8_t>(row[x / per_byte] >> shift & mask);
    }
  }
  return indices;
}

// Run-length rows. As in Pillow, runs are cut at the right border and deltas leave index 0.
class RleReader {
 public:
  RleReader(const BmpBytes& file, const BmpHeader& header)
      : bytes_(file.all()),
        at_(header.pixel_offset),
        four_bits_(header.compression == kRle4),
        width_(header.width),
        total_(static_cast<size_t>(header.width) * header.height) {}

  Result<std::vector<uint8_t>> read() {
    out_.reserve(total_);
    while (out_.size() < total_) {
      if (bytes_.size() < at_ + 2) return truncated();
      const uint8_t count = bytes_[at_++];
      const uint8_t value = bytes_[at_++];
      if (count > 0) {
        repeat(count, value);
      } else if (value == kEndOfLine) {
        append_zeros((width_ - out_.size() % width_) % width_);
        x_ = 0;
      } else if (value == kEndOfBitmap) {
        break;
      } else if (value == kDelta) {
        if (bytes_.size() < at_ + 2) return truncated();
        append_zeros(bytes_[at_] + size_t{bytes_[at_ + 1]} * width_);
        at_ += 2;
        x_ = out_.size() % width_;
      } else if (!copy(value)) {
        return truncated();
      }
    }
    out_.resize(total_);
    return std::move(out_);
  }

 private:
  static constexpr uint8_t kEndOfLine = 0, kEndOfBitmap = 1, kDelta = 2;

  void append_zeros(size_t count) { out_.resize(out_.size() + std::min(count, total_ - out_.size())); }

  void repeat(size_t count, uint8_t value) {
    count = std::min(count, width_ - std::min(x_, width_));
    for (size_t i = 0; i < count; ++i) {
      out_.push_back(!four_bits_ ? value : static_cast<uint8_t>(i % 2 == 0 ? value >> 4 : value & 15));
    }
    x_ += count;
  }

  bool copy(size_t count) {
    const size_t taken = std::min(count, total_ - out_.size());
    const size_t byte_count = four_bits_ ? (taken + 1) / 2 : taken;
    if (bytes_.size() < at_ + byte_count) return false;
    for (size_t i = 0; i < taken; ++i) {
      const uint8_t byte = bytes_[at_ + (four_bits_ ? i / 2 : i)];
      out_.push_back(!four_bits_ ? byte : static_cast<uint8_t>(i % 2 == 0 ? byte >> 4 : byte & 15));
    }
    at_ += byte_count;
    at_ += at_ % 2;  // runs begin at even offsets of the file
    x_ += count;
    return true;
  }

  std::span<const uint8_t> bytes_;
  size_t at_;
  bool four_bits_;
  size_t width_;
  size_t total_;
  size_t x_ = 0;
  std::vector<uint8_t> out_;
};

Status decode_palette(const BmpBytes& file, const BmpHeader& header, size_t row_bytes, DecodedPixels& decoded) {
  const bool is_rle = header.compression == kRle8 || header.compression == kRle4;
  AZ_ASSIGN_OR_RETURN(const std::vector<uint8_t> indices,
                      is_rle ? RleReader(file, header).read() : unpack_indices(file, header, row_bytes));
  const Palette palette = read_palette(file, header);
  for (int64_t y = 0; y < header.height; ++y) {
    const uint8_t* row = &indices[(header.top_down ? y : header.height - 1 - y) * header.width];
    uint8_t* out = &decoded.values[3 * y * header.width];
    for (int64_t x = 0; x < header.width; ++x) out = std::ranges::copy(palette[row[x]], out).out;
  }
  return ok_status();
}

Status decode_channels(const BmpBytes& file, const BmpHeader& header, size_t row_bytes, DecodedPixels& decoded) {
  if (!file.holds(header.pixel_offset, row_bytes * header.height)) return truncated();
  const ChannelLayout layout = *channel_layout(header);
  const int channels = decoded.has_alpha ? 4 : 3;
  uint8_t* out = decoded.values.data();
  for (int64_t y = 0; y < header.height; ++y) {
    const size_t row = header.pixel_offset + (header.top_down ? y : header.height - 1 - y) * row_bytes;
    for (int64_t x = 0; x < header.width; ++x) {
      const uint32_t pixel = file.integer(row + x * (header.bits / 8), header.bits / 8);
      for (int c = 0; c < channels; ++c) {
        const uint32_t largest = (1u << layout.bits[c]) - 1;
        *out++ = static_cast<uint8_t>((pixel >> layout.shift[c] & largest) * 255 / largest);
      }
    }
  }
  return ok_status();
}

}  // namespace

Result<DecodedPixels> decode_bmp(std::span<const uint8_t> bytes, int64_t max_pixels) {
  const BmpBytes file(bytes);
  AZ_ASSIGN_OR_RETURN(const BmpHeader header, read_header(file));
  AZ_RETURN_IF_ERROR(check_picture_size(header.width, header.height, max_pixels));
  AZ_RETURN_IF_ERROR(check_kind(header));
  const size_t row_bytes = ((static_cast<size_t>(header.width) * header.bits + 31) >> 3) & ~size_t{3};
  const bool has_palette = header.bits <= 8;
  DecodedPixels decoded{header.width, header.height, !has_palette && channel_layout(header)->bits[3] > 0, {}, 1};
  // A header alone must not cost memory for its whole picture.
  const bool is_rle = header.compression == kRle8 || header.compression == kRle4;
  if (!is_rle && !file.holds(header.pixel_offset, row_bytes * header.height)) return truncated();
  decoded.values.resize(static_cast<size_t>(header.width) * header.height * (decoded.has_alpha ? 4 : 3));
  AZ_RETURN_IF_ERROR(has_palette ? decode_palette(file, header, row_bytes, decoded)
                                 : decode_channels(file, header, row_bytes, decoded));
  return decoded;
}

}  // namespace azimuth::media
