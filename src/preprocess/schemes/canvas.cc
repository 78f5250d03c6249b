// A canvas of tiles into which the picture is fitted; what it does not fill is black. Source: transformers,
// image_processing_mllama.py.
#include <algorithm>
#include <cmath>
#include <vector>

#include "preprocess/schemes/scheme.h"

namespace azimuth::preprocess {
namespace {

constexpr int64_t kMaxTiles = 1024;

// Tiles down and across.
struct Canvas {
  int64_t rows = 1;
  int64_t columns = 1;
};

// How much larger a picture becomes on this canvas.
double scale_on(const Canvas& canvas, const media::Image& image, int64_t tile) {
  const double down = static_cast<double>(canvas.rows * tile) / static_cast<double>(image.height);
  const double across = static_cast<double>(canvas.columns * tile) / static_cast<double>(image.width);
  return across > down ? down : across;
}

// The canvas that enlarges least, or else shrinks least; among equals the one of the smallest area, the first in order
// of rows and columns.
Canvas best_canvas(const media::Image& image, int64_t most_tiles, int64_t tile) {
  Canvas best;
  double best_scale = 0.0;
  for (int64_t rows = 1; rows <= most_tiles; ++rows) {
    for (int64_t columns = 1; rows * columns <= most_tiles; ++columns) {
      const Canvas canvas{rows, columns};
      const double scale = scale_on(canvas, image, tile);
      const bool enlarges = scale >= 1.0;
      const bool nearer = enlarges ? best_scale < 1.0 || scale < best_scale : best_scale < 1.0 && scale > best_scale;
      const bool smaller = scale == best_scale && rows * columns < best.rows * best.columns;
      if (!nearer && !smaller) continue;
      best = canvas;
      best_scale = scale;
    }
  }
  return best;
}

// The picture's size within the canvas: enlarged to a tile at most, shrunk to the canvas at least.
PixelSize fitted_size(const media::Image& image, const Canvas& canvas, int64_t tile) {
  const int64_t width = std::clamp(image.width, tile, canvas.columns * tile);
  const int64_t height = std::clamp(image.height, tile, canvas.rows * tile);
  const double down = static_cast<double>(height) / static_cast<double>(image.height);
  const double across = static_cast<double>(width) / static_cast<double>(image.width);
  const auto scaled = [](int64_t side, double scale) {
    return std::max<int64_t>(1, static_cast<int64_t>(std::floor(static_cast<double>(side) * scale)));
  };
  if (across < down) return {width, std::min(scaled(image.height, across), height)};
  return {std::min(scaled(image.width, down), width), height};
}

// Tile (row, column) of the canvas on which `picture` lies in the upper left corner.
media::Image cut_tile(const media::Image& picture, int64_t row, int64_t column, int64_t tile) {
  media::Image out{tile, tile, std::vector<uint8_t>(static_cast<size_t>(tile * tile * 3), 0)};
  const int64_t top = row * tile;
  const int64_t left = column * tile;
  const int64_t width = std::min(tile, picture.width - left);
  for (int64_t y = 0; y < std::min(tile, picture.height - top) && width > 0; ++y) {
    const uint8_t* from = picture.rgb.data() + ((top + y) * picture.width + left) * 3;
    std::copy_n(from, width * 3, out.rgb.data() + y * tile * 3);
  }
  return out;
}

}  // namespace

Result<DividedPicture> divide_canvas(const media::Image& image, const ImageProcessorSpec& spec, ThreadPool& pool) {
  const int64_t tile = spec.height;
  if (tile <= 0 || spec.width != tile || spec.max_tiles <= 0 || spec.max_tiles > kMaxTiles) {
    return invalid_argument("an image processor with a canvas expected square tiles and 1 to " +
                            std::to_string(kMaxTiles) + " of them, found " + std::to_string(spec.width) + " x " +
                            std::to_string(tile) + " and " + std::to_string(spec.max_tiles));
  }
  if (!spec.do_resize || !spec.do_pad) {
    return unsupported(
        "an image processor with a canvas expected do_resize and do_pad, found one of them off; leave "
        "them on, as the model was trained");
  }
  const Canvas canvas = best_canvas(image, spec.max_tiles, tile);
  AZ_RETURN_IF_ERROR(check_resized_pixels(1, {canvas.columns * tile, canvas.rows * tile}));
  AZ_ASSIGN_OR_RETURN(const media::Image fitted, resized(image, fitted_size(image, canvas, tile), spec, pool));
  DividedPicture picture;
  picture.tile_rows = canvas.rows;
  picture.tile_columns = canvas.columns;
  for (int64_t row = 0; row < canvas.rows; ++row) {
    for (int64_t column = 0; column < canvas.columns; ++column) {
      picture.tiles.push_back(cut_tile(fitted, row, column, tile));
    }
  }
  return picture;
}

}  // namespace azimuth::preprocess
