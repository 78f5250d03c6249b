// The pictures that stand for a panorama: the whole of it once, then a ring of tiles that look all around (AnyRes-E2P).
//
// Follows CORA (wooseungw/panollava, anyres_e2p.py) as docs/positions.md 3.15 says; what differs is in
// docs/panoramas.md.
#pragma once

#include <cstdint>
#include <vector>

#include "azimuth/status.h"
#include "base/thread_pool.h"
#include "media/image.h"

namespace azimuth::media {

// Most tiles of one panorama.
inline constexpr int64_t kMaxPanoramaTiles = 64;

// Angles are degrees.
struct PanoramaOptions {
  double hfov = 45.0;         // field of view of a tile, both ways, in (0, 180)
  double overlap = 0.0;       // part of a tile that the next one shows too, in [0, 1)
  double pitch = 0.0;         // in [-90, 90]; positive looks up
  int64_t tile_size = 672;    // pixels per side of a tile
  int64_t global_size = 672;  // pixels per side of the view that shows everything
};

// Yaws of the tiles' middles: n = ceil(360 / (hfov (1 - overlap))) of them, 360 / n apart, from 0 to the right, written
// in [-180, 180).
// Errors: invalid_argument for angles or an overlap out of range; resource_exhausted beyond kMaxPanoramaTiles.
Result<std::vector<double>> panorama_yaws(const PanoramaOptions& options);

// View 0 is the whole panorama, letterboxed; then one tile for each of panorama_yaws.
// Errors: as panorama_yaws, gnomonic_tiles and letterbox. A picture whose sides are far from 2 : 1 is taken as a whole
// panorama all the same, with a warning through log().
Result<std::vector<Image>> panorama_views(const Image& panorama, const PanoramaOptions& options, ThreadPool& pool);

}  // namespace azimuth::media
