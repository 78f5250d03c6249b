// Small pictures for pages.
#pragma once

#include <string>

#include "azimuth/status.h"
#include "media/image.h"

namespace azimuth::report {

// "data:image/jpeg;base64,...": the picture as a baseline JPEG of quality 85, colours at full resolution.
Result<std::string> jpeg_data_url(const media::Image& image);

}  // namespace azimuth::report
