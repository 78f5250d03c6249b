#include "media/panorama_views.h"

#include <cmath>
#include <string>

#include "azimuth/log.h"
#include "media/equirectangular.h"
#include "media/letterbox.h"
#include "media/number_text.h"

namespace azimuth::media {
namespace {

// A full sphere is 2 : 1; pictures within a tenth of it may have lost a few rows to a tripod or a logo.
constexpr double kLowestRatio = 1.8;
constexpr double kHighestRatio = 2.2;

Status check_ring(const PanoramaOptions& options) {
  if (!(options.hfov > 0.0 && options.hfov < 180.0)) {
    return invalid_argument("hfov expected more than 0 and less than 180 degrees, found " + number_text(options.hfov) +
                            "; 45 gives eight tiles all around");
  }
  if (!(options.overlap >= 0.0 && options.overlap < 1.0)) {
    return invalid_argument("overlap expected a part of a tile from 0 to less than 1, found " +
                            number_text(options.overlap));
  }
  return ok_status();
}

void warn_of_shape(const Image& panorama) {
  const double ratio = static_cast<double>(panorama.width) / static_cast<double>(panorama.height);
  if (ratio >= kLowestRatio && ratio <= kHighestRatio) return;
  log(LogLevel::warning, "a panorama of 360 x 180 degrees has sides of 2 : 1, but this one is " +
                             std::to_string(panorama.width) + " x " + std::to_string(panorama.height) +
                             "; it is taken as a whole sphere all the same, so its views may look stretched");
}

}  // namespace

Result<std::vector<double>> panorama_yaws(const PanoramaOptions& options) {
  AZ_RETURN_IF_ERROR(check_ring(options));
  const double tiles = std::ceil(360.0 / (options.hfov * (1.0 - options.overlap)));
  if (!(tiles <= static_cast<double>(kMaxPanoramaTiles))) {
    return resource_exhausted("hfov and overlap that give at most " + std::to_string(kMaxPanoramaTiles) +
                              " tiles were expected, found " + number_text(options.hfov) + " degrees and " +
                              number_text(options.overlap) + "; raise hfov or lower overlap");
  }
  std::vector<double> yaws;
  for (int tile = 0; tile < static_cast<int>(tiles); ++tile) {
    const double yaw = tile * 360.0 / tiles;
    yaws.push_back(yaw < 180.0 ? yaw : yaw - 360.0);
  }
  return yaws;
}

Result<std::vector<Image>> panorama_views(const Image& panorama, const PanoramaOptions& options, ThreadPool& pool) {
  AZ_ASSIGN_OR_RETURN(const std::vector<double> yaws, panorama_yaws(options));
  AZ_ASSIGN_OR_RETURN(std::vector<Image> tiles,
                      gnomonic_tiles(panorama, {options.hfov, options.pitch, options.tile_size}, yaws, pool));
  AZ_ASSIGN_OR_RETURN(Image whole, letterbox(panorama, options.global_size, pool));
  warn_of_shape(panorama);
  tiles.insert(tiles.begin(), std::move(whole));
  return tiles;
}

}  // namespace azimuth::media
