// Canvases against the rules of transformers' image_processing_mllama.py.
#include <gtest/gtest.h>

#include "preprocess/preprocess.h"

namespace azimuth::preprocess {
namespace {

constexpr int64_t kTile = 10;

ImageProcessorSpec canvas_spec(int64_t tiles = 4) {
  ImageProcessorSpec spec;
  spec.scheme = PreprocessScheme::canvas;
  spec.array = PixelArray::canvases;
  spec.tower_patches = true;
  spec.patch_size = 5;
  spec.merge_size = spec.temporal_patch_size = 1;
  spec.do_rescale = spec.do_normalize = false;
  spec.do_pad = true;
  spec.height = spec.width = kTile;
  spec.max_tiles = tiles;
  return spec;
}

media::Image white(int64_t width, int64_t height) {
  return {width, height, std::vector<uint8_t>(static_cast<size_t>(width * height * 3), 255)};
}

struct Case {
  int64_t width, height;  // of the picture
  int64_t rows, columns;  // of its canvas
  int64_t white;          // bytes that are not black: the fitted picture
};

TEST(Canvas, IsTheOneThatEnlargesLeastOrShrinksLeast) {
  ThreadPool pool(1);
  const Case cases[] = {
      {10, 10, 1, 1, 10 * 10}, {3, 10, 1, 1, 3 * 10},  // fills one side of a tile
      {15, 10, 1, 2, 15 * 10},                         // fits without a change
      {10, 25, 3, 1, 10 * 25}, {20, 20, 2, 2, 20 * 20},
      {80, 20, 1, 4, 40 * 10},  // shrinks least on four tiles in a row
      {90, 91, 2, 2, 19 * 20}, {1, 40, 4, 1, 1 * 40},
      {1, 400, 4, 1, 1 * 40},  // a side never becomes nothing
  };
  for (const Case& each : cases) {
    SCOPED_TRACE(std::to_string(each.width) + " x " + std::to_string(each.height));
    const Result<MediaPixels> pixels = preprocess_image(white(each.width, each.height), canvas_spec(), pool);
    ASSERT_TRUE(pixels.ok()) << pixels.status().message();
    EXPECT_EQ(pixels->tile_rows, each.rows);
    EXPECT_EQ(pixels->tile_columns, each.columns);
    ASSERT_EQ(pixels->tiles.size(), static_cast<size_t>(each.rows * each.columns));
    int64_t lit = 0;
    for (const Patches& tile : pixels->tiles) {
      EXPECT_EQ(tile.pixels.shape(), Shape({3, kTile, kTile}));
      for (int64_t i = 0; i < kTile * kTile; ++i) lit += tile.pixels.data()[i] > 0.0f ? 1 : 0;
    }
    EXPECT_EQ(lit, each.white);
  }
}

TEST(Canvas, HasNoMoreTilesThanAllowed) {
  ThreadPool pool(1);
  const Result<MediaPixels> pixels = preprocess_image(white(80, 20), canvas_spec(2), pool);
  ASSERT_TRUE(pixels.ok());
  EXPECT_EQ(pixels->tiles.size(), 2u);
}

TEST(Canvas, RefusesWhatTheModelWasNotTrainedWith) {
  ThreadPool pool(1);
  ImageProcessorSpec oblong = canvas_spec();
  oblong.width = 2 * kTile;
  ImageProcessorSpec unpadded = canvas_spec();
  unpadded.do_pad = false;
  ImageProcessorSpec untiled = canvas_spec(0);
  for (const ImageProcessorSpec& spec : {oblong, unpadded, untiled}) {
    const Result<MediaPixels> pixels = preprocess_image(white(8, 8), spec, pool);
    ASSERT_FALSE(pixels.ok());
    EXPECT_NE(pixels.status().message().find("expected"), std::string::npos);
    EXPECT_NE(pixels.status().message().find("found"), std::string::npos);
  }
}

}  // namespace
}  // namespace azimuth::preprocess
