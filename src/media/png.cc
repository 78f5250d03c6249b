#include <png.h>

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>

#include "media/decoders.h"
#include "media/orientation.h"

namespace azimuth::media {
namespace {

// Text and profile chunks may unpack to far more than the file holds.
constexpr size_t kMaxChunkBytes = 8 << 20;
constexpr int kMaxCachedChunks = 64;

// libpng reports errors by a jump. Functions that call setjmp hold no object with a destructor.
struct PngReader {
  png_structp png = nullptr;
  png_infop info = nullptr;
  std::span<const uint8_t> rest;
  char message[128] = {};

  PngReader() = default;
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;
  ~PngReader() { png_destroy_read_struct(&png, &info, nullptr); }
};

[[noreturn]] void stop(png_structp png, png_const_charp message) {
  auto& reader = *static_cast<PngReader*>(png_get_error_ptr(png));
  std::snprintf(reader.message, sizeof(reader.message), "%s", message);
  png_longjmp(png, 1);
}

void ignore_warning(png_structp, png_const_charp) {}

void read_bytes(png_structp png, png_bytep out, size_t count) {
  auto& reader = *static_cast<PngReader*>(png_get_io_ptr(png));
  if (count > reader.rest.size()) png_error(png, "it ends before its picture is complete");
  std::memcpy(out, reader.rest.data(), count);
  reader.rest = reader.rest.subspan(count);
}

bool read_header(PngReader& reader) {
  reader.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &reader, stop, ignore_warning);
  if (!reader.png) return false;
  if (setjmp(png_jmpbuf(reader.png))) return false;
  reader.info = png_create_info_struct(reader.png);
  if (!reader.info) return false;
  png_set_read_fn(reader.png, &reader, read_bytes);
  png_set_user_limits(reader.png, 0x7fffffff, 0x7fffffff);
  png_set_chunk_malloc_max(reader.png, kMaxChunkBytes);
  png_set_chunk_cache_max(reader.png, kMaxCachedChunks);
  png_read_info(reader.png, reader.info);
  return true;
}

// Samples of fewer than 8 bits become bytes of the same value; 16-bit colours keep their high byte, 16-bit grey is
// left.
bool prepare_rows(PngReader& reader) {
  if (setjmp(png_jmpbuf(reader.png))) return false;
  png_set_packing(reader.png);
  if (png_get_color_type(reader.png, reader.info) != PNG_COLOR_TYPE_GRAY) png_set_strip_16(reader.png);
  png_set_interlace_handling(reader.png);
  png_read_update_info(reader.png, reader.info);
  return true;
}

bool read_rows(PngReader& reader, png_bytepp rows) {
  if (setjmp(png_jmpbuf(reader.png))) return false;
  png_read_image(reader.png, rows);
  return true;
}

// Chunks behind the picture may hold its orientation; a file cut off there still has its picture.
void read_end(PngReader& reader) {
  if (setjmp(png_jmpbuf(reader.png))) return;
  png_read_end(reader.png, reader.info);
}

struct PngHeader {
  int64_t width = 0;
  int64_t height = 0;
  int bits = 0;
  int color_type = 0;
};

PngHeader header_of(const PngReader& reader) {
  return {png_get_image_width(reader.png, reader.info), png_get_image_height(reader.png, reader.info),
          png_get_bit_depth(reader.png, reader.info), png_get_color_type(reader.png, reader.info)};
}

struct Rgba {
  uint8_t r, g, b, a;
};

// Entries that the file does not define are black, as Pillow has them.
std::array<Rgba, 256> palette_of(const PngReader& reader) {
  std::array<Rgba, 256> palette;
  palette.fill({0, 0, 0, 255});
  png_colorp colors = nullptr;
  int color_count = 0;
  if (png_get_PLTE(reader.png, reader.info, &colors, &color_count)) {
    for (int i = 0; i < std::min(color_count, 256); ++i)
      palette[i] = {colors[i].red, colors[i].green, colors[i].blue, 255};
  }
  png_bytep alphas = nullptr;
  int alpha_count = 0;
  if (png_get_tRNS(reader.png, reader.info, &alphas, &alpha_count, nullptr) && alphas) {
    for (int i = 0; i < std::min(alpha_count, 256); ++i) palette[i].a = alphas[i];
  }
  return palette;
}

// The colour that a tRNS chunk of a grey or RGB picture makes transparent. Pillow compares its low bytes with the 8-bit
// pixels whatever the depth, so that is what counts.
std::optional<Rgba> transparent_color(const PngReader& reader, const PngHeader& header) {
  png_color_16p color = nullptr;
  if (!png_get_tRNS(reader.png, reader.info, nullptr, nullptr, &color) || !color) return std::nullopt;
  const auto low = [](png_uint_16 value) { return static_cast<uint8_t>(value & 0xff); };
  if (header.color_type == PNG_COLOR_TYPE_RGB) return Rgba{low(color->red), low(color->green), low(color->blue), 0};
  const uint8_t grey = header.bits == 1 ? (color->gray ? 255 : 0) : low(color->gray);
  return Rgba{grey, grey, grey, 0};
}

// The grey byte of a sample as libpng delivers it.
uint8_t grey_byte(const uint8_t* sample, int bits) {
  constexpr int kScaleOfBits[] = {0, 255, 85, 0, 17};
  if (bits == 16) return sample[0] ? 255 : sample[1];
  return static_cast<uint8_t>(bits < 8 ? *sample * kScaleOfBits[bits] : *sample);
}

// Converts one row; `out` has 4 bytes per pixel if `alpha`, else 3.
class RowConverter {
 public:
  RowConverter(const PngReader& reader, const PngHeader& header)
      : header_(header), palette_(palette_of(reader)), transparent_(transparent_color(reader, header)) {
    has_alpha_ = transparent_ || (header.color_type & PNG_COLOR_MASK_ALPHA) ||
                 std::ranges::any_of(palette_, [](Rgba c) { return c.a != 255; });
  }

  bool has_alpha() const { return has_alpha_; }

  void convert(const uint8_t* row, uint8_t* out) const {
    const int step = bytes_per_pixel();
    for (int64_t x = 0; x < header_.width; ++x, row += step) {
      const Rgba pixel = pixel_at(row);
      *out++ = pixel.r;
      *out++ = pixel.g;
      *out++ = pixel.b;
      if (has_alpha_) *out++ = pixel.a;
    }
  }

 private:
  int bytes_per_pixel() const {
    switch (header_.color_type) {
      case PNG_COLOR_TYPE_RGB: return 3;
      case PNG_COLOR_TYPE_RGB_ALPHA: return 4;
      case PNG_COLOR_TYPE_GRAY_ALPHA: return 2;
      case PNG_COLOR_TYPE_GRAY: return header_.bits == 16 ? 2 : 1;
      default: return 1;
    }
  }

  Rgba pixel_at(const uint8_t* sample) const {
    switch (header_.color_type) {
      case PNG_COLOR_TYPE_PALETTE: return palette_[*sample];
      case PNG_COLOR_TYPE_RGB_ALPHA: return {sample[0], sample[1], sample[2], sample[3]};
      case PNG_COLOR_TYPE_GRAY_ALPHA: return {sample[0], sample[0], sample[0], sample[1]};
      case PNG_COLOR_TYPE_RGB: return keyed({sample[0], sample[1], sample[2], 255});
      default: {
        const uint8_t grey = grey_byte(sample, header_.bits);
        return keyed({grey, grey, grey, 255});
      }
    }
  }

  Rgba keyed(Rgba pixel) const {
    if (transparent_ && pixel.r == transparent_->r && pixel.g == transparent_->g && pixel.b == transparent_->b)
      pixel.a = 0;
    return pixel;
  }

  PngHeader header_;
  std::array<Rgba, 256> palette_;
  std::optional<Rgba> transparent_;
  bool has_alpha_ = false;
};

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// ImageMagick's way to store EXIF: three lines of heading, then hexadecimal digits.
std::vector<uint8_t> unhex_profile(std::string_view text) {
  for (int line = 0; line < 3; ++line) {
    const size_t end = text.find('\n');
    if (end == std::string_view::npos) return {};
    text.remove_prefix(end + 1);
  }
  std::vector<uint8_t> bytes;
  int high = -1;
  for (char c : text) {
    const int digit = hex_digit(c);
    if (digit < 0) continue;
    if (high >= 0) bytes.push_back(static_cast<uint8_t>(high << 4 | digit));
    high = high < 0 ? digit : -1;
  }
  return bytes;
}

std::string_view text_chunk(const PngReader& reader, std::string_view key) {
  png_textp texts = nullptr;
  const int count = png_get_text(reader.png, reader.info, &texts, nullptr);
  for (int i = 0; i < count; ++i) {
    if (texts[i].key != key || !texts[i].text) continue;
    return {texts[i].text, std::max(texts[i].text_length, texts[i].itxt_length)};
  }
  return {};
}

int orientation_of(const PngReader& reader) {
  png_bytep bytes = nullptr;
  png_uint_32 size = 0;
  std::vector<uint8_t> exif;
  if (png_get_eXIf_1(reader.png, reader.info, &size, &bytes) && bytes) {
    exif.assign(bytes, bytes + size);
  } else {
    exif = unhex_profile(text_chunk(reader, "Raw profile type exif"));
  }
  return read_orientation(exif, text_chunk(reader, "XML:com.adobe.xmp"));
}

}  // namespace

Result<DecodedPixels> decode_png(std::span<const uint8_t> bytes, int64_t max_pixels) {
  PngReader reader;
  reader.rest = bytes;
  if (!read_header(reader)) return damaged("PNG", reader.message);
  const PngHeader header = header_of(reader);
  AZ_RETURN_IF_ERROR(check_picture_size(header.width, header.height, max_pixels));
  if (!prepare_rows(reader)) return damaged("PNG", reader.message);
  const size_t row_bytes = png_get_rowbytes(reader.png, reader.info);
  std::vector<uint8_t> raw(row_bytes * header.height);
  std::vector<png_bytep> rows(header.height);
  for (int64_t y = 0; y < header.height; ++y) rows[y] = &raw[y * row_bytes];
  if (!read_rows(reader, rows.data())) return damaged("PNG", reader.message);
  read_end(reader);

  const RowConverter converter(reader, header);
  DecodedPixels decoded{header.width, header.height, converter.has_alpha(), {}, orientation_of(reader)};
  const size_t out_row = static_cast<size_t>(header.width) * (decoded.has_alpha ? 4 : 3);
  decoded.values.resize(out_row * header.height);
  for (int64_t y = 0; y < header.height; ++y) converter.convert(rows[y], &decoded.values[y * out_row]);
  return decoded;
}

}  // namespace azimuth::media
