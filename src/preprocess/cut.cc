#include "preprocess/cut.h"

#include <algorithm>

namespace azimuth::preprocess {
namespace {

constexpr int64_t kChannels = 3;

}  // namespace

media::Image cut(const media::Image& image, const Rectangle& part, const std::array<uint8_t, 3>& background) {
  media::Image out{part.width, part.height, {}};
  out.rgb.resize(static_cast<size_t>(part.width * part.height * kChannels));
  for (size_t i = 0; i < out.rgb.size(); ++i) out.rgb[i] = background[i % kChannels];
  const int64_t first = std::max<int64_t>(0, part.left);
  const int64_t last = std::min(image.width, part.left + part.width);
  if (first >= last) return out;
  for (int64_t y = std::max<int64_t>(0, part.top); y < std::min(image.height, part.top + part.height); ++y) {
    const uint8_t* from = image.rgb.data() + (y * image.width + first) * kChannels;
    uint8_t* to = out.rgb.data() + ((y - part.top) * part.width + first - part.left) * kChannels;
    std::copy_n(from, (last - first) * kChannels, to);
  }
  return out;
}

}  // namespace azimuth::preprocess
