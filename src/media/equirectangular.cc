#include "media/equirectangular.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>

#include "media/number_text.h"

namespace azimuth::media {
namespace {

constexpr int kChannels = 3;
constexpr int64_t kRowsPerTask = 8;

double radians(double degrees) {
  return degrees * (std::numbers::pi / 180.0);
}

// Where a pixel reads the panorama, in pixels from the centre of its first one.
struct Source {
  double column = 0.0;  // before the tile's yaw is added; not wrapped yet
  double row = 0.0;     // within the panorama
};

// One row of every tile: tiles of one camera read the same rows, and columns that differ by their yaw alone.
class TileRow {
 public:
  TileRow(const Image& panorama, const TileCamera& camera)
      : panorama_(panorama), camera_(camera), sources_(static_cast<size_t>(camera.size)) {}

  void aim(int64_t y) {
    const double reach = std::tan(radians(camera_.field_of_view) / 2);
    const double pitch = radians(camera_.pitch);
    const double up = -centre(y) * reach;
    const double height = up * std::cos(pitch) + std::sin(pitch);
    const double ahead = std::cos(pitch) - up * std::sin(pitch);
    for (int64_t x = 0; x < camera_.size; ++x) {
      const double right = centre(x) * reach;
      sources_[static_cast<size_t>(x)] = locate(std::atan2(right, ahead), std::atan2(height, std::hypot(right, ahead)));
    }
  }

  // `out` [size, 3]
  void render(double yaw, uint8_t* out) const {
    const double turn = std::remainder(yaw, 360.0) / 360.0 * static_cast<double>(panorama_.width);
    for (const Source& source : sources_) {
      sample(source.column + turn, source.row, out);
      out += kChannels;
    }
  }

 private:
  // The centre of a tile's pixel on an axis from -1 to 1 over the whole tile.
  double centre(int64_t pixel) const {
    return (2.0 * static_cast<double>(pixel) + 1.0) / static_cast<double>(camera_.size) - 1.0;
  }

  Source locate(double longitude, double latitude) const {
    const auto width = static_cast<double>(panorama_.width);
    const auto height = static_cast<double>(panorama_.height);
    const double row = (0.5 - latitude / std::numbers::pi) * height - 0.5;
    return {(longitude / (2.0 * std::numbers::pi) + 0.5) * width - 0.5, std::clamp(row, 0.0, height - 1.0)};
  }

  void sample(double column, double row, uint8_t* out) const {
    const int64_t width = panorama_.width;
    const double first_column = std::floor(column);
    const double right_weight = column - first_column;
    const int64_t left = wrap(static_cast<int64_t>(first_column));
    const int64_t right = left + 1 == width ? 0 : left + 1;
    const auto above = static_cast<int64_t>(row);
    const double below_weight = row - static_cast<double>(above);
    const uint8_t* upper = &panorama_.rgb[static_cast<size_t>(above * width * kChannels)];
    const uint8_t* lower = above + 1 == panorama_.height ? upper : upper + width * kChannels;
    for (int c = 0; c < kChannels; ++c) {
      const double top = mix(upper[left * kChannels + c], upper[right * kChannels + c], right_weight);
      const double bottom = mix(lower[left * kChannels + c], lower[right * kChannels + c], right_weight);
      out[c] = static_cast<uint8_t>(mix(top, bottom, below_weight) + 0.5);
    }
  }

  int64_t wrap(int64_t column) const {
    const int64_t rest = column % panorama_.width;
    return rest < 0 ? rest + panorama_.width : rest;
  }

  static double mix(double a, double b, double weight_of_b) { return a + (b - a) * weight_of_b; }

  const Image& panorama_;
  const TileCamera& camera_;
  std::vector<Source> sources_;  // [size]
};

Status check_camera(const TileCamera& camera) {
  if (!(camera.field_of_view > 0.0 && camera.field_of_view < 180.0)) {
    return invalid_argument("a field of view between 0 and 180 degrees was expected, found " +
                            number_text(camera.field_of_view) + "; 45 gives eight tiles all around");
  }
  if (!(camera.pitch >= -90.0 && camera.pitch <= 90.0)) {
    return invalid_argument("a pitch from -90 (straight down) to 90 degrees (straight up) was expected, found " +
                            number_text(camera.pitch));
  }
  return ok_status();
}

Status check_pixels(int64_t size, size_t tiles) {
  if (size < 1) {
    return invalid_argument("a tile size of at least 1 pixel was expected, found " + std::to_string(size));
  }
  const auto side = static_cast<double>(size);
  if (static_cast<double>(tiles) * side * side <= static_cast<double>(kMaxTilePixels)) return ok_status();
  return resource_exhausted("tiles of at most " + std::to_string(kMaxTilePixels) +
                            " pixels together were expected, found " + std::to_string(tiles) + " of side " +
                            std::to_string(size) + "; lower the tile size or the number of tiles");
}

}  // namespace

Result<std::vector<Image>> gnomonic_tiles(const Image& panorama, const TileCamera& camera, std::span<const double> yaws,
                                          ThreadPool& pool) {
  if (panorama.width <= 0 || panorama.height <= 0) {
    return invalid_argument("a panorama with pixels was expected, found none");
  }
  AZ_RETURN_IF_ERROR(check_camera(camera));
  AZ_RETURN_IF_ERROR(check_pixels(camera.size, yaws.size()));
  if (!std::ranges::all_of(yaws, [](double yaw) { return std::isfinite(yaw); })) {
    return invalid_argument("yaws that are finite numbers of degrees were expected, found NaN or an infinite one");
  }
  const int64_t row_bytes = camera.size * kChannels;
  std::vector<Image> tiles(yaws.size());
  for (Image& tile : tiles) {
    tile = {camera.size, camera.size, std::vector<uint8_t>(static_cast<size_t>(camera.size * row_bytes))};
  }
  pool.for_each(camera.size, kRowsPerTask, [&](int64_t begin, int64_t end) {
    TileRow row(panorama, camera);
    for (int64_t y = begin; y < end; ++y) {
      row.aim(y);
      for (size_t i = 0; i < yaws.size(); ++i) row.render(yaws[i], &tiles[i].rgb[static_cast<size_t>(y * row_bytes)]);
    }
  });
  return tiles;
}

}  // namespace azimuth::media
