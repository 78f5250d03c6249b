#include "media/media_source.h"

#include <algorithm>

namespace azimuth::media {

std::string shown_source(const std::string& source) {
  constexpr size_t kShown = 200;
  constexpr size_t kShownOfData = 32;
  const size_t shown = source.starts_with("data:") ? kShownOfData : kShown;
  std::string result = source.size() <= shown ? source : source.substr(0, shown) + "...";
  std::ranges::replace_if(
      result, [](unsigned char c) { return c < 0x20 || c == 0x7f; }, '?');
  return result;
}

bool is_web_url(std::string_view source) {
  return source.starts_with("http://") || source.starts_with("https://");
}

}  // namespace azimuth::media
