#include "report/jpeg_writer.h"

#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <vector>
// libjpeg's header needs <cstdio> before it.
#include <jpeglib.h>

namespace azimuth::report {
namespace {

constexpr int kQuality = 85;

// libjpeg reports failure by a call that must not return: it jumps back to the encoder.
struct ErrorHandler {
  jpeg_error_mgr base{};
  std::jmp_buf back{};
};

void jump_back(j_common_ptr info) {
  std::longjmp(reinterpret_cast<ErrorHandler*>(info->err)->back, 1);
}
void keep_silent(j_common_ptr, int) {}

// libjpeg's output buffer, which it allocates with malloc.
struct Output {
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  ~Output() { std::free(bytes); }
};

// No object with a destructor may live in here: longjmp would skip it.
bool compress(const media::Image& image, ErrorHandler& errors, jpeg_compress_struct& info, Output& output) {
  info.err = jpeg_std_error(&errors.base);
  errors.base.error_exit = jump_back;
  errors.base.emit_message = keep_silent;
  if (setjmp(errors.back) != 0) return false;
  jpeg_create_compress(&info);
  jpeg_mem_dest(&info, &output.bytes, &output.size);
  info.image_width = static_cast<JDIMENSION>(image.width);
  info.image_height = static_cast<JDIMENSION>(image.height);
  info.input_components = 3;
  info.in_color_space = JCS_RGB;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, kQuality, TRUE);
  // Colours at full resolution: the pictures are small, and drawings have sharp coloured edges.
  info.comp_info[0].h_samp_factor = info.comp_info[0].v_samp_factor = 1;
  jpeg_start_compress(&info, TRUE);
  while (info.next_scanline < info.image_height) {
    auto* row = const_cast<JSAMPROW>(image.rgb.data() + size_t{info.next_scanline} * info.image_width * 3);
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  return true;
}

std::string base64(std::span<const unsigned char> bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t count = std::min<size_t>(3, bytes.size() - i);
    uint32_t group = 0;
    for (size_t j = 0; j < 3; ++j) group = group << 8 | (j < count ? bytes[i + j] : 0u);
    for (size_t digit = 0; digit < 4; ++digit) {
      out += digit <= count ? kDigits[group >> (18 - 6 * digit) & 63] : '=';
    }
  }
  return out;
}

}  // namespace

Result<std::string> jpeg_data_url(const media::Image& image) {
  if (image.width < 1 || image.height < 1 || image.width > JPEG_MAX_DIMENSION || image.height > JPEG_MAX_DIMENSION) {
    return invalid_argument("a picture to show expected sides of 1 to " + std::to_string(JPEG_MAX_DIMENSION) +
                            " pixels, found " + std::to_string(image.width) + " x " + std::to_string(image.height));
  }
  ErrorHandler errors;
  jpeg_compress_struct info{};
  Output output;
  const bool done = compress(image, errors, info, output);
  jpeg_destroy_compress(&info);
  if (!done) return Status(StatusCode::internal, "libjpeg could not write a picture for the page");
  return "data:image/jpeg;base64," + base64({output.bytes, output.size});
}

}  // namespace azimuth::report
