// Sizes and tiles of the Idefics line; the numbers are those of transformers' image processors.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "preprocess/schemes/scheme.h"

namespace azimuth::preprocess {
namespace {

media::Image picture(int64_t width, int64_t height) {
  media::Image image{width, height, std::vector<uint8_t>(static_cast<size_t>(3 * width * height))};
  for (size_t i = 0; i < image.rgb.size(); ++i) image.rgb[i] = static_cast<uint8_t>(i * 7);
  return image;
}

ImageProcessorSpec split_spec(int64_t longest, int64_t tile) {
  ImageProcessorSpec spec;
  spec.scheme = PreprocessScheme::split;
  spec.resample = ResampleFilter::lanczos;
  spec.longest_edge = longest;
  spec.tile_size = tile;
  spec.divides = true;
  return spec;
}

struct Rows {
  int64_t rows = 0;
  int64_t columns = 0;
  bool operator==(const Rows&) const = default;
};

Rows divided(int64_t height, int64_t width, const ImageProcessorSpec& spec) {
  ThreadPool pool(1);
  const Result<DividedPicture> out = divide_split(picture(width, height), spec, pool);
  EXPECT_TRUE(out.ok()) << out.status().message();
  const auto tiles = static_cast<int64_t>(out->tiles.size());
  EXPECT_EQ(tiles, out->global_tile < 0 ? 1 : out->tile_rows * out->tile_columns + 1);
  for (const media::Image& tile : out->tiles) {
    EXPECT_EQ(tile.width, spec.tile_size);
    EXPECT_EQ(tile.height, spec.tile_size);
  }
  return {out->tile_rows, out->tile_columns};
}

TEST(Split, TilesAreThoseOfTransformers) {
  EXPECT_EQ(divided(41, 69, split_spec(60, 20)), (Rows{2, 3}));
  EXPECT_EQ(divided(5, 5, split_spec(7, 3)), (Rows{3, 3}));  // 7 x 8: the other side is made even
  EXPECT_EQ(divided(1, 500, split_spec(64, 16)), (Rows{1, 4}));
  EXPECT_EQ(divided(500, 1, split_spec(64, 16)), (Rows{4, 1}));
  EXPECT_EQ(divided(300, 200, split_spec(1456, 364)), (Rows{4, 3}));
  EXPECT_EQ(divided(20, 20, split_spec(20, 20)), (Rows{1, 1}));
}

TEST(Split, AnUndividedPictureIsOneSquare) {
  ImageProcessorSpec spec = split_spec(60, 20);
  spec.divides = false;
  EXPECT_EQ(divided(41, 69, spec), (Rows{1, 1}));
}

TEST(Split, RefusesWhatNobodyCanHold) {
  ThreadPool pool(1);
  ImageProcessorSpec spec = split_spec(0, 20);
  spec.width = spec.height = 65536;
  EXPECT_EQ(divide_split(picture(8, 8), spec, pool).status().code(), StatusCode::resource_exhausted);
}

ImageProcessorSpec quarters_spec() {
  ImageProcessorSpec spec;
  spec.scheme = PreprocessScheme::quarters;
  spec.resample = ResampleFilter::bilinear;
  spec.shortest_edge = 4;
  spec.longest_edge = 10;
  return spec;
}

PixelSize size_of(const media::Image& image) {
  return {image.width, image.height};
}

TEST(Quarters, EdgesAreBounded) {
  ThreadPool pool(1);
  const auto resized = [&](int64_t width, int64_t height) {
    return size_of(divide_quarters(picture(width, height), quarters_spec(), pool)->tiles[0]);
  };
  EXPECT_EQ(resized(30, 20), (PixelSize{10, 6}));
  EXPECT_EQ(resized(40, 8), (PixelSize{10, 4}));
  EXPECT_EQ(resized(2, 9), (PixelSize{4, 9}));
}

TEST(Quarters, TheMiddleBelongsToTheSecondHalf) {
  ThreadPool pool(1);
  ImageProcessorSpec spec = quarters_spec();
  spec.divides = true;
  spec.do_resize = false;
  const Result<DividedPicture> out = divide_quarters(picture(5, 3), spec, pool);
  ASSERT_TRUE(out.ok());
  ASSERT_EQ(out->tiles.size(), 5u);
  EXPECT_EQ(out->global_tile, 4);
  EXPECT_EQ(size_of(out->tiles[0]), (PixelSize{2, 1}));
  EXPECT_EQ(size_of(out->tiles[1]), (PixelSize{3, 1}));
  EXPECT_EQ(size_of(out->tiles[2]), (PixelSize{2, 2}));
  EXPECT_EQ(out->tiles[3].rgb[0], picture(5, 3).rgb[3 * (1 * 5 + 2)]);
}

TEST(Quarters, RefusesAPixel) {
  ThreadPool pool(1);
  ImageProcessorSpec spec = quarters_spec();
  spec.divides = true;
  const Status status = divide_quarters(picture(1, 7), spec, pool).status();
  EXPECT_EQ(status.code(), StatusCode::invalid_argument);
  EXPECT_THAT(status.message(),
              testing::HasSubstr("at least 2 x 2 pixels was expected to be split into quarters, found 1 x 7"));
}

}  // namespace
}  // namespace azimuth::preprocess
