// What a request names as a picture or a video: a path, a data: URL, or a web address that is not followed.
#pragma once

#include <string>
#include <string_view>

namespace azimuth::media {

// The source as one short line for an error message.
std::string shown_source(const std::string& source);

bool is_web_url(std::string_view source);

}  // namespace azimuth::media
