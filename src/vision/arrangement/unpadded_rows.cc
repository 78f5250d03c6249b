// The whole picture, then its tiles as one picture without the bars that padded it, a learned newline behind every row.
// Sources: transformers, modeling_llava_next.py and modeling_llava_onevision.py (pack_image_features, unpad_image).
#include <algorithm>
#include <cmath>

#include "vision/arrangement/arrangement.h"
#include "vision/arrangement/resample_cells.h"

namespace azimuth::vision {
namespace {

// int(round(x, 7)) of a length that division may have left just below a whole number.
int64_t whole_length(double x) {
  const double floor = std::floor(x);
  return static_cast<int64_t>(x - floor >= 1.0 - 5e-8 ? floor + 1.0 : floor);
}

// Python's a // b of positive floats.
int64_t floor_divide(double a, double b) {
  return static_cast<int64_t>(std::round((a - std::fmod(a, b)) / b));
}

// The cells of the tiles, put together, that show the picture.
struct Window {
  int64_t rows = 0;  // of all tiles
  int64_t columns = 0;
  int64_t top = 0;  // rows left out above, and below
  int64_t left = 0;

  int64_t shown_rows() const { return rows - 2 * top; }
  int64_t shown_columns() const { return columns - 2 * left; }
};

Window window_of(const preprocess::MediaPixels& pixels) {
  const Grid& tile = pixels.tiles[0].grid;
  Window window{pixels.tile_rows * tile.h, pixels.tile_columns * tile.w, 0, 0};
  const auto height = static_cast<double>(pixels.source.height);
  const auto width = static_cast<double>(pixels.source.width);
  const auto rows = static_cast<double>(window.rows);
  const auto columns = static_cast<double>(window.columns);
  if (width / height > columns / rows) {
    window.top = (window.rows - whole_length(height * (columns / width))) / 2;
  } else {
    window.left = (window.columns - whole_length(width * (rows / height))) / 2;
  }
  return window;
}

// Rows and columns that the decoder gets: those of the window, or fewer where they are more than `most_tiles` tiles'.
Grid delivered_grid(const VisionSpec& spec, const preprocess::MediaPixels& pixels) {
  const Window window = window_of(pixels);
  Grid grid{1, window.shown_rows(), window.shown_columns()};
  if (spec.most_tiles == 0) return grid;
  constexpr double kTolerated = 1.1;
  const int64_t side = pixels.tiles[0].grid.h;
  const double ratio =
      std::sqrt(static_cast<double>(grid.cells()) / static_cast<double>(spec.most_tiles * side * side));
  if (ratio <= kTolerated) return grid;
  return {1, floor_divide(static_cast<double>(grid.h), ratio), floor_divide(static_cast<double>(grid.w), ratio)};
}

// The window's cells out of the tiles behind the first, row by row: [shown rows * shown columns, width].
Tensor cells_of_window(const Window& window, const preprocess::MediaPixels& pixels,
                       const std::vector<MediaFeatures>& tiles) {
  const Grid& grid = pixels.tiles[0].grid;
  const int64_t width = tiles[0].features.row_elements();
  Tensor cells({window.shown_rows() * window.shown_columns(), width});
  float* to = cells.data();
  for (int64_t y = window.top; y < window.rows - window.top; ++y) {
    for (int64_t x = window.left; x < window.columns - window.left; ++x) {
      const int64_t tile = 1 + y / grid.h * pixels.tile_columns + x / grid.w;
      const float* cell = tiles[static_cast<size_t>(tile)].features.row(y % grid.h * grid.w + x % grid.w);
      to = std::copy_n(cell, width, to);
    }
  }
  return cells;
}

}  // namespace

std::vector<FeatureBlock> blocks_unpadded(const Arranged& media) {
  FeatureBlock whole;
  whole.grid = media.pixels.tiles[0].grid;
  whole.features = whole.grid.cells();
  whole.tiles = 2;
  whole.global_tile = true;
  FeatureBlock rows;
  rows.grid = delivered_grid(media.spec, media.pixels);
  rows.features = rows.grid.h * (rows.grid.w + 1);
  rows.delivery = Delivery::row_suffix;
  rows.tile = 1;
  rows.tiles = 2;
  if (rows.features == 0) return {whole};  // a picture so narrow that no row or column of cells is all its own
  return {whole, rows};
}

MediaFeatures arrange_unpadded(const VisionSpec& spec, const Tensor& newline, const preprocess::MediaPixels& pixels,
                               const std::vector<MediaFeatures>& tiles) {
  const Window window = window_of(pixels);
  const Grid grid = delivered_grid(spec, pixels);
  Tensor cells = cells_of_window(window, pixels, tiles);
  if (grid.h != window.shown_rows() || grid.w != window.shown_columns()) {
    cells = resample_cells(cells, window.shown_rows(), window.shown_columns(), grid.h, grid.w);
  }
  const Tensor& whole = tiles[0].features;
  const int64_t width = whole.row_elements();
  MediaFeatures out;
  out.grid = tiles[0].grid;
  out.features = Tensor({whole.shape()[0] + grid.h * (grid.w + 1), width});
  float* to = std::copy_n(whole.data(), whole.elements(), out.features.data());
  for (int64_t row = 0; row < grid.h; ++row) {
    to = std::copy_n(cells.row(row * grid.w), grid.w * width, to);
    to = std::copy_n(newline.data(), width, to);
  }
  return out;
}

}  // namespace azimuth::vision
