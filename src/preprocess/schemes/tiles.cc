// A grid of equally large tiles and the whole picture beside them (InternVL, Ovis2). Sources: transformers,
// image_processing_got_ocr2.py, image_processing_ovis2.py.
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "preprocess/cut.h"
#include "preprocess/schemes/scheme.h"

namespace azimuth::preprocess {
namespace {

struct TileShape {
  int64_t columns = 1;
  int64_t rows = 1;
  int64_t tiles() const { return columns * rows; }
};

// All shapes of `least` to `most` tiles: fewer tiles first, among equals fewer columns first.
std::vector<TileShape> tile_shapes(int64_t least, int64_t most) {
  std::vector<TileShape> shapes;
  for (int64_t columns = 1; columns <= most; ++columns) {
    for (int64_t rows = 1; columns * rows <= most; ++rows) {
      if (columns * rows >= least) shapes.push_back({columns, rows});
    }
  }
  std::ranges::stable_sort(shapes, {}, &TileShape::tiles);
  return shapes;
}

// The shape whose ratio of sides is nearest to the picture's. Among equals the one of more tiles wins, as long as the
// picture has more than half of the pixels of those tiles.
TileShape closest_ratio(PixelSize picture, const ImageProcessorSpec& spec) {
  const auto width = static_cast<double>(picture.width);
  const auto height = static_cast<double>(picture.height);
  double least = std::numeric_limits<double>::infinity();
  TileShape best;
  for (const TileShape& shape : tile_shapes(spec.min_tiles, spec.max_tiles)) {
    const double ratio = static_cast<double>(shape.columns) / static_cast<double>(shape.rows);
    const double difference = std::abs(width / height - ratio);
    const double half = 0.5 * static_cast<double>(spec.height * spec.width * shape.tiles());
    if (difference < least || (difference == least && width * height > half)) best = shape;
    least = std::min(least, difference);
  }
  return best;
}

// Pixels that a part of width x height keeps in a tile of `side`: it is shrunk where its longer side is longer.
double kept_pixels(int64_t width, int64_t height, int64_t side) {
  const auto longer = static_cast<double>(std::max(width, height));
  const auto shorter = static_cast<double>(std::min(width, height));
  const auto limit = static_cast<double>(side);
  return longer > limit ? limit * (shorter / longer * limit) : longer * shorter;
}

// Share of the picture's pixels that `rows` x `columns` tiles keep. The last row and column take the remainder.
double kept_share(PixelSize picture, int64_t rows, int64_t columns, int64_t side) {
  double kept = 0.0;
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t step = picture.height / rows;
    const int64_t height = row == rows - 1 ? picture.height - row * step : step;
    for (int64_t column = 0; column < columns; ++column) {
      const int64_t stride = picture.width / columns;
      const int64_t width = column == columns - 1 ? picture.width - column * stride : stride;
      kept += kept_pixels(width, height, side);
    }
  }
  return kept / static_cast<double>(picture.width * picture.height);
}

// The fewest tiles that keep nine tenths of the picture's pixels, or else the most that any keep. transformers weighs
// (rows, columns) and takes the result as (columns, rows): the grid of a picture that is not square lies on its side.
TileShape covering_area(PixelSize picture, const ImageProcessorSpec& spec) {
  constexpr double kEnough = 0.9;
  TileShape best;
  double best_share = -1.0;
  for (const TileShape& shape : tile_shapes(1, spec.max_tiles)) {
    const double share = kept_share(picture, shape.columns, shape.rows, spec.height);
    const bool better = best_share > kEnough ? shape.tiles() == best.tiles() && share > best_share
                                             : share > kEnough || share > best_share;
    if (!better) continue;
    best = shape;
    best_share = share;
  }
  return best;
}

TileShape choose_shape(PixelSize picture, const ImageProcessorSpec& spec) {
  if (!spec.divides) return {};
  switch (spec.tile_grid) {
    case TileGrid::closest_ratio: return closest_ratio(picture, spec);
    case TileGrid::covering_area: return covering_area(picture, spec);
  }
  return {};
}

}  // namespace

Result<DividedPicture> divide_tiles(const media::Image& image, const ImageProcessorSpec& spec, ThreadPool& pool) {
  const PixelSize tile{spec.width, spec.height};
  const TileShape shape = choose_shape({image.width, image.height}, spec);
  DividedPicture picture;
  picture.tile_rows = shape.rows;
  picture.tile_columns = shape.columns;
  PixelSize canvas_size{tile.width * shape.columns, tile.height * shape.rows};
  if (!spec.divides && !spec.do_resize) canvas_size = {image.width, image.height};
  AZ_RETURN_IF_ERROR(check_resized_pixels(1, canvas_size));
  AZ_ASSIGN_OR_RETURN(media::Image canvas, resized(image, canvas_size, spec, pool));
  if (shape.tiles() == 1) {
    picture.tiles.push_back(std::move(canvas));
    return picture;
  }
  for (int64_t row = 0; row < shape.rows; ++row) {
    for (int64_t column = 0; column < shape.columns; ++column) {
      picture.tiles.push_back(cut(canvas, {column * tile.width, row * tile.height, tile.width, tile.height}));
    }
  }
  if (!spec.thumbnail) return picture;
  AZ_ASSIGN_OR_RETURN(media::Image whole, resized(image, tile, spec, pool));
  picture.global_tile = spec.thumbnail_first ? 0 : static_cast<int>(picture.tiles.size());
  picture.tiles.insert(picture.tiles.begin() + picture.global_tile, std::move(whole));
  return picture;
}

}  // namespace azimuth::preprocess
