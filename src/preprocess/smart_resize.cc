#include "preprocess/smart_resize.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>

namespace azimuth::preprocess {
namespace {

constexpr double kMaxAspectRatio = 200.0;

// Python's round: halves go to the even neighbour (nearbyint in the default rounding mode).
int64_t round_to_multiple(int64_t value, int64_t factor) {
  return static_cast<int64_t>(std::nearbyint(static_cast<double>(value) / static_cast<double>(factor))) * factor;
}

int64_t floor_to_multiple(double value, int64_t factor) {
  return static_cast<int64_t>(std::floor(value / static_cast<double>(factor))) * factor;
}

int64_t ceil_to_multiple(double value, int64_t factor) {
  return static_cast<int64_t>(std::ceil(value / static_cast<double>(factor))) * factor;
}

Status check_size(PixelSize size) {
  if (size.width > 0 && size.height > 0) return ok_status();
  return invalid_argument("a picture with pixels was expected, found one of " + std::to_string(size.width) + " x " +
                          std::to_string(size.height));
}

Status check_aspect_ratio(PixelSize size) {
  const double longer = static_cast<double>(std::max(size.width, size.height));
  const double shorter = static_cast<double>(std::min(size.width, size.height));
  if (longer / shorter <= kMaxAspectRatio) return ok_status();
  char ratio[32];
  std::snprintf(ratio, sizeof(ratio), "%.6g", longer / shorter);
  return invalid_argument("a side ratio of at most 200 was expected, found " + std::to_string(size.width) + " x " +
                          std::to_string(size.height) + " = " + ratio +
                          "; crop or tile it, or give a panorama with --panorama");
}

double area(int64_t frames, PixelSize size) {
  return static_cast<double>(frames) * static_cast<double>(size.width) * static_cast<double>(size.height);
}

// Scales `size` until `frames` frames of it keep within the bounds, where `rounded_area` does not.
PixelSize scale_into_bounds(int64_t frames, PixelSize size, PixelSize rounded, double rounded_area, int64_t factor,
                            PixelBounds bounds) {
  const auto width = static_cast<double>(size.width);
  const auto height = static_cast<double>(size.height);
  if (rounded_area > static_cast<double>(bounds.max_pixels)) {
    const double beta = std::sqrt(area(frames, size) / static_cast<double>(bounds.max_pixels));
    return {std::max(factor, floor_to_multiple(width / beta, factor)),
            std::max(factor, floor_to_multiple(height / beta, factor))};
  }
  if (rounded_area < static_cast<double>(bounds.min_pixels)) {
    const double beta = std::sqrt(static_cast<double>(bounds.min_pixels) / area(frames, size));
    return {ceil_to_multiple(width * beta, factor), ceil_to_multiple(height * beta, factor)};
  }
  return rounded;
}

// Frames smaller than the factor are enlarged to it first, as the reference does for videos only.
PixelSize enlarge_to_factor(PixelSize size, int64_t factor) {
  if (size.width >= factor && size.height >= factor) return size;
  const double scale = std::max(static_cast<double>(factor) / static_cast<double>(size.height),
                                static_cast<double>(factor) / static_cast<double>(size.width));
  return {static_cast<int64_t>(static_cast<double>(size.width) * scale),
          static_cast<int64_t>(static_cast<double>(size.height) * scale)};
}

}  // namespace

Result<PixelSize> smart_resize(PixelSize size, int64_t factor, PixelBounds bounds) {
  AZ_RETURN_IF_ERROR(check_size(size));
  AZ_RETURN_IF_ERROR(check_aspect_ratio(size));
  const PixelSize rounded{round_to_multiple(size.width, factor), round_to_multiple(size.height, factor)};
  return scale_into_bounds(1, size, rounded, area(1, rounded), factor, bounds);
}

Result<PixelSize> smart_resize_video(int64_t frames, PixelSize size, int64_t temporal_factor, int64_t factor,
                                     PixelBounds bounds) {
  AZ_RETURN_IF_ERROR(check_size(size));
  if (frames < temporal_factor) {
    return invalid_argument("a video of at least " + std::to_string(temporal_factor) + " frames was expected, found " +
                            std::to_string(frames) + "; pass it as a picture");
  }
  size = enlarge_to_factor(size, factor);
  AZ_RETURN_IF_ERROR(check_aspect_ratio(size));
  const PixelSize rounded{round_to_multiple(size.width, factor), round_to_multiple(size.height, factor)};
  const double rounded_area = area(round_to_multiple(frames, temporal_factor), rounded);
  return scale_into_bounds(frames, size, rounded, rounded_area, factor, bounds);
}

}  // namespace azimuth::preprocess
