#include <algorithm>
#include <csetjmp>
#include <cstdio>  // jpeglib.h needs FILE
#include <cstring>
#include <string>

#include <jpeglib.h>

#include "media/decoders.h"
#include "media/orientation.h"

namespace azimuth::media {
namespace {

// A progressive file may describe thousands of scans of the whole picture in a few bytes each.
constexpr int kMaxScans = 500;

constexpr std::string_view kExifHead{"Exif\0\0", 6};
constexpr std::string_view kXmpHead{"http://ns.adobe.com/xap/1.0/\0", 29};

// libjpeg reports errors by a function that must not return, hence the jumps. Functions that call setjmp hold no object
// with a destructor.
struct JpegReader {
  jpeg_decompress_struct info{};
  jpeg_error_mgr errors{};
  jpeg_source_mgr source{};
  jpeg_progress_mgr progress{};
  std::jmp_buf on_error;
  char message[JMSG_LENGTH_MAX] = {};

  JpegReader() = default;
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;
  ~JpegReader() { jpeg_destroy_decompress(&info); }
};

JpegReader& reader_of(j_common_ptr info) {
  return *static_cast<JpegReader*>(info->client_data);
}

[[noreturn]] void stop(j_common_ptr info) {
  JpegReader& reader = reader_of(info);
  info->err->format_message(info, reader.message);
  std::longjmp(reader.on_error, 1);
}

void watch_scans(j_common_ptr info) {
  if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number <= kMaxScans) return;
  JpegReader& reader = reader_of(info);
  std::snprintf(reader.message, sizeof(reader.message), "it has more than %d scans", kMaxScans);
  std::longjmp(reader.on_error, 1);
}

// The source suspends at the end of the data, as Pillow's does: a picture that needs more is incomplete.
boolean no_more_data(j_decompress_ptr) {
  return FALSE;
}
void do_nothing(j_decompress_ptr) {}

void skip_data(j_decompress_ptr info, long count) {
  jpeg_source_mgr& source = *info->src;
  const size_t skipped = count < 0 ? 0 : std::min(static_cast<size_t>(count), source.bytes_in_buffer);
  source.next_input_byte += skipped;
  source.bytes_in_buffer -= skipped;
}

void set_up(JpegReader& reader, std::span<const uint8_t> bytes) {
  reader.info.client_data = &reader;
  reader.info.err = jpeg_std_error(&reader.errors);
  reader.errors.error_exit = stop;
  reader.errors.output_message = [](j_common_ptr) {};
  reader.source.init_source = do_nothing;
  reader.source.fill_input_buffer = no_more_data;
  reader.source.skip_input_data = skip_data;
  reader.source.resync_to_restart = jpeg_resync_to_restart;
  reader.source.term_source = do_nothing;
  reader.source.next_input_byte = bytes.data();
  reader.source.bytes_in_buffer = bytes.size();
  reader.progress.progress_monitor = watch_scans;
}

enum class Outcome : uint8_t { done, truncated, failed };

Outcome read_header(JpegReader& reader) {
  if (setjmp(reader.on_error)) return Outcome::failed;
  jpeg_decompress_struct& info = reader.info;
  jpeg_create_decompress(&info);  // keeps err and client_data
  info.src = &reader.source;
  info.progress = &reader.progress;
  jpeg_save_markers(&info, JPEG_APP0 + 1, 0xffff);
  if (jpeg_read_header(&info, TRUE) != JPEG_HEADER_OK) return Outcome::truncated;
  info.out_color_space = info.num_components == 1 ? JCS_GRAYSCALE : info.num_components == 4 ? JCS_CMYK : JCS_RGB;
  return Outcome::done;
}

Outcome start(JpegReader& reader) {
  if (setjmp(reader.on_error)) return Outcome::failed;
  return jpeg_start_decompress(&reader.info) ? Outcome::done : Outcome::truncated;
}

// rows: [height, width * components]
Outcome read_rows(JpegReader& reader, uint8_t* rows, size_t row_bytes) {
  if (setjmp(reader.on_error)) return Outcome::failed;
  while (reader.info.output_scanline < reader.info.output_height) {
    uint8_t* row = rows + reader.info.output_scanline * row_bytes;
    if (jpeg_read_scanlines(&reader.info, &row, 1) != 1) return Outcome::truncated;
  }
  return Outcome::done;
}

Status failure(const JpegReader& reader, Outcome outcome) {
  return damaged("JPEG", outcome == Outcome::truncated ? "it ends before its picture is complete" : reader.message);
}

int orientation_of(const jpeg_decompress_struct& info) {
  std::vector<uint8_t> exif;
  std::string_view xmp;
  for (const jpeg_marker_struct* marker = info.marker_list; marker; marker = marker->next) {
    const std::string_view data(reinterpret_cast<const char*>(marker->data), marker->data_length);
    if (data.starts_with(kExifHead)) exif.insert(exif.end(), data.begin() + kExifHead.size(), data.end());
    if (data.starts_with(kXmpHead)) xmp = data.substr(kXmpHead.size());
  }
  return read_orientation(exif, xmp);
}

uint8_t product_over_255(int a, int b) {
  const int t = a * b + 128;
  return static_cast<uint8_t>((t + (t >> 8)) >> 8);
}

void widen_grey(const std::vector<uint8_t>& grey, std::vector<uint8_t>& rgb) {
  for (size_t i = 0; i < grey.size(); ++i) std::memset(&rgb[3 * i], grey[i], 3);
}

// Four-component files hold inverted inks, as Adobe writes them (Pillow assumes this of every one).
void flatten_inks(const std::vector<uint8_t>& inks, std::vector<uint8_t>& rgb) {
  for (size_t i = 0; 4 * i < inks.size(); ++i) {
    const int light = inks[4 * i + 3];
    for (size_t c = 0; c < 3; ++c) {
      rgb[3 * i + c] = static_cast<uint8_t>(std::max(0, light - product_over_255(255 - inks[4 * i + c], light)));
    }
  }
}

}  // namespace

Result<DecodedPixels> decode_jpeg(std::span<const uint8_t> bytes, int64_t max_pixels) {
  JpegReader reader;
  set_up(reader, bytes);
  if (Outcome outcome = read_header(reader); outcome != Outcome::done) return failure(reader, outcome);
  const jpeg_decompress_struct& info = reader.info;
  AZ_RETURN_IF_ERROR(check_picture_size(info.image_width, info.image_height, max_pixels));
  const int components = info.num_components;
  if (components != 1 && components != 3 && components != 4) {
    return unsupported("a JPEG of 1, 3 or 4 components was expected, but this one has " + std::to_string(components) +
                       "; save it as RGB");
  }
  DecodedPixels decoded;
  decoded.width = info.image_width;
  decoded.height = info.image_height;
  decoded.orientation = orientation_of(info);
  if (Outcome outcome = start(reader); outcome != Outcome::done) return failure(reader, outcome);
  const size_t pixels = static_cast<size_t>(decoded.width) * decoded.height;
  std::vector<uint8_t> rows(pixels * components);
  if (Outcome outcome = read_rows(reader, rows.data(), static_cast<size_t>(decoded.width) * components);
      outcome != Outcome::done) {
    return failure(reader, outcome);
  }
  if (components == 3) {
    decoded.values = std::move(rows);
    return decoded;
  }
  decoded.values.resize(pixels * 3);
  if (components == 1) {
    widen_grey(rows, decoded.values);
  } else {
    flatten_inks(rows, decoded.values);
  }
  return decoded;
}

}  // namespace azimuth::media
