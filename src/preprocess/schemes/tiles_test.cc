#include <gtest/gtest.h>

#include "preprocess/schemes/scheme.h"

namespace azimuth::preprocess {
namespace {

struct Shape {
  int64_t columns;
  int64_t rows;
};

// Chosen by transformers 5.23.0: get_optimal_tiled_canvas, and get_min_tile_covering_grid as its caller reads it.
struct Choice {
  int64_t width;
  int64_t height;
  int64_t min_tiles;
  int64_t max_tiles;
  int64_t side;
  Shape closest_ratio;
  Shape covering_area;
};

constexpr Choice kChoices[] = {
    {150, 70, 1, 12, 28, {4, 2}, {2, 5}},   {40, 40, 1, 12, 24, {2, 2}, {2, 2}},
    {70, 40, 1, 12, 24, {4, 2}, {2, 3}},    {448, 448, 1, 12, 448, {1, 1}, {1, 1}},
    {900, 450, 1, 12, 448, {2, 1}, {1, 2}}, {700, 400, 2, 6, 64, {3, 2}, {2, 3}},
    {1, 999, 1, 12, 32, {1, 12}, {12, 1}},  {13, 9, 3, 2, 16, {1, 1}, {1, 1}},
    {640, 480, 1, 12, 448, {4, 3}, {2, 2}}, {1000, 1000, 4, 9, 300, {3, 3}, {3, 3}},
    {131, 184, 1, 12, 24, {3, 4}, {4, 3}},  {239, 128, 1, 12, 24, {4, 2}, {3, 4}},
    {81, 58, 1, 9, 48, {3, 2}, {2, 2}},     {127, 195, 1, 12, 24, {2, 3}, {4, 3}},
    {294, 128, 1, 4, 24, {2, 1}, {1, 3}},   {209, 144, 1, 4, 48, {2, 2}, {2, 2}},
};

media::Image grey(int64_t width, int64_t height) {
  return {width, height, std::vector<uint8_t>(static_cast<size_t>(3 * width * height), 100)};
}

ImageProcessorSpec tiles_of(int64_t side) {
  ImageProcessorSpec spec;
  spec.scheme = PreprocessScheme::tiles;
  spec.width = spec.height = side;
  spec.divides = true;
  return spec;
}

TEST(Tiles, ChosenAsByTheReference) {
  ThreadPool pool(1);
  for (const Choice& choice : kChoices) {
    SCOPED_TRACE(std::to_string(choice.width) + " x " + std::to_string(choice.height));
    ImageProcessorSpec spec = tiles_of(choice.side);
    spec.min_tiles = choice.min_tiles;
    spec.max_tiles = choice.max_tiles;
    for (const TileGrid rule : {TileGrid::closest_ratio, TileGrid::covering_area}) {
      spec.tile_grid = rule;
      const Shape expected = rule == TileGrid::closest_ratio ? choice.closest_ratio : choice.covering_area;
      const Result<DividedPicture> picture = divide_tiles(grey(choice.width, choice.height), spec, pool);
      ASSERT_TRUE(picture.ok()) << picture.status().message();
      EXPECT_EQ(picture->tile_columns, expected.columns);
      EXPECT_EQ(picture->tile_rows, expected.rows);
      const int64_t tiles = expected.columns * expected.rows;
      EXPECT_EQ(static_cast<int64_t>(picture->tiles.size()), tiles == 1 ? 1 : tiles + 1);
      EXPECT_EQ(picture->global_tile, tiles == 1 ? -1 : tiles);
      for (const media::Image& tile : picture->tiles) {
        EXPECT_EQ(tile.width, choice.side);
        EXPECT_EQ(tile.height, choice.side);
      }
    }
  }
}

TEST(Tiles, ThumbnailComesFirstOrNotAtAll) {
  ThreadPool pool(1);
  ImageProcessorSpec spec = tiles_of(16);
  spec.thumbnail_first = true;
  EXPECT_EQ(divide_tiles(grey(64, 16), spec, pool)->global_tile, 0);
  spec.thumbnail = false;
  const Result<DividedPicture> bare = divide_tiles(grey(64, 16), spec, pool);
  EXPECT_EQ(bare->global_tile, -1);
  EXPECT_EQ(bare->tiles.size(), 4U);
}

TEST(Tiles, RunRowByRow) {
  ThreadPool pool(1);
  media::Image image = grey(32, 32);
  for (int64_t y = 0; y < 32; ++y) {
    for (int64_t x = 0; x < 32; ++x) {
      image.rgb[static_cast<size_t>(3 * (y * 32 + x))] = static_cast<uint8_t>(y / 16 * 2 + x / 16);
    }
  }
  ImageProcessorSpec spec = tiles_of(16);
  const Result<DividedPicture> picture = divide_tiles(image, spec, pool);
  ASSERT_EQ(picture->tiles.size(), 5U);
  for (uint8_t tile = 0; tile < 4; ++tile) EXPECT_EQ(picture->tiles[tile].rgb[0], tile);
}

TEST(Tiles, UndividedPictureIsOneTile) {
  ThreadPool pool(1);
  ImageProcessorSpec spec = tiles_of(16);
  spec.divides = false;
  EXPECT_EQ(divide_tiles(grey(64, 16), spec, pool)->tiles.size(), 1U);
  spec.do_resize = false;
  EXPECT_EQ(divide_tiles(grey(64, 20), spec, pool)->tiles[0].height, 20);
}

TEST(Tiles, TooLargeACanvasIsRefused) {
  ThreadPool pool(1);
  ImageProcessorSpec spec = tiles_of(int64_t{1} << 14);
  spec.min_tiles = 2;
  const Result<DividedPicture> picture = divide_tiles(grey(8, 8), spec, pool);
  ASSERT_FALSE(picture.ok());
  EXPECT_EQ(picture.status().code(), StatusCode::resource_exhausted);
}

}  // namespace
}  // namespace azimuth::preprocess
