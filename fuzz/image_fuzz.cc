// Any bytes: decode_image gives a whole picture within its limit, or a sentence.
#include <cstdlib>

#include "media/image.h"

namespace {

constexpr int64_t kMaxPixels = 1 << 18;

void check_picture(const azimuth::Result<azimuth::media::Image>& image) {
  if (!image.ok()) {
    if (image.status().message().empty()) std::abort();
    return;
  }
  if (image->width <= 0 || image->height <= 0 || image->width * image->height > kMaxPixels) std::abort();
  if (image->rgb.size() != static_cast<size_t>(3 * image->width * image->height)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace azimuth::media;
  check_picture(decode_image({data, size}, {.max_pixels = kMaxPixels}));
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (text.starts_with("data:")) {
    const auto bytes = decode_data_url(text);
    if (bytes.ok() && bytes->empty()) std::abort();
  }
  return 0;
}
