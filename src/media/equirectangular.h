// Straight-line pictures taken inside an equirectangular panorama: what a pinhole camera at its centre would see.
//
// A panorama of W x H pixels covers 360 x 180 degrees: the centre of column x lies at longitude (x + 0.5) / W * 360 -
// 180 (to the right), the centre of row y at latitude 90 - (y + 0.5) / H * 180 (upwards). The projection is gnomonic:
// pixel centres are spaced evenly on a plane that touches the sphere in the middle of the view.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "azimuth/status.h"
#include "base/thread_pool.h"
#include "media/image.h"

namespace azimuth::media {

// Most pixels of all tiles of one call together.
inline constexpr int64_t kMaxTilePixels = int64_t{1} << 26;

// Square tiles that differ in their yaw only. Angles are degrees.
struct TileCamera {
  double field_of_view = 45.0;  // horizontally and vertically, in (0, 180)
  double pitch = 0.0;           // of the view's middle, in [-90, 90]; positive looks up
  int64_t size = 672;           // pixels per side
};

// One tile of camera.size x camera.size pixels for each of `yaws` (longitudes of the tiles' middles; any finite number,
// 0 is the panorama's middle, positive turns right). Bilinear; longitude wraps around, so that the panorama's left and
// right edge meet without a line; beyond the middle of the first and last row, latitude is clamped.
// Turning the panorama by whole columns and the yaws by the same angle gives the same tiles but for the rounding of a
// last bit; threads change nothing.
// Errors: invalid_argument for an empty picture, an angle out of range or a size below 1; resource_exhausted beyond
// kMaxTilePixels.
Result<std::vector<Image>> gnomonic_tiles(const Image& panorama, const TileCamera& camera, std::span<const double> yaws,
                                          ThreadPool& pool);

}  // namespace azimuth::media
