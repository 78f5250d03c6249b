// Fixed sizes and the best of listed sizes, on pictures small enough to count pixels by hand. Whole processors are
// compared with transformers by the golden traces.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "preprocess/cut.h"
#include "preprocess/schemes/fixed.h"

namespace azimuth::preprocess {
namespace {

// Red counts the pixels, so that each is known by its colour.
media::Image numbered(int64_t width, int64_t height) {
  media::Image image{width, height, {}};
  for (int64_t i = 0; i < width * height; ++i) {
    image.rgb.push_back(static_cast<uint8_t>(i + 1));
    image.rgb.push_back(7);
    image.rgb.push_back(9);
  }
  return image;
}

std::vector<int> reds(const media::Image& image) {
  std::vector<int> values;
  for (size_t i = 0; i < image.rgb.size(); i += 3) values.push_back(image.rgb[i]);
  return values;
}

TEST(Cut, BeyondThePictureIsBackground) {
  const media::Image image = numbered(2, 2);
  const media::Image part = cut(image, {-1, 1, 3, 2}, {50, 60, 70});
  EXPECT_EQ(reds(part), (std::vector<int>{50, 3, 4, 50, 50, 50}));
  EXPECT_EQ(part.rgb[2], 70) << "blue of the background";
  EXPECT_EQ(reds(cut(image, {5, 0, 1, 1})), std::vector<int>{0});
}

class Fixed : public ::testing::Test {
 protected:
  std::vector<int> middle(int64_t width, int64_t height, int64_t crop) {
    spec.do_resize = false;
    spec.do_center_crop = true;
    spec.crop_width = spec.crop_height = crop;
    const Result<media::Image> out = resized_and_cropped(numbered(width, height), spec, pool);
    EXPECT_TRUE(out.ok());
    return reds(*out);
  }

  PixelSize size_by_edge(int64_t width, int64_t height) {
    spec.shortest_edge = 4;
    const Result<media::Image> out = resized_and_cropped(numbered(width, height), spec, pool);
    EXPECT_TRUE(out.ok());
    return {out->width, out->height};
  }

  ImageProcessorSpec spec;
  ThreadPool pool{1};
};

TEST_F(Fixed, TheMiddleLiesHalfAPixelToTheUpperLeft) {
  EXPECT_EQ(middle(4, 3, 1), std::vector<int>{6}) << "column 1 of 4, row 1 of 3";
}

TEST_F(Fixed, SmallPicturesArePaddedAsTheirLibraryDoes) {
  EXPECT_EQ(middle(1, 1, 2), (std::vector<int>{1, 0, 0, 0})) << "torchvision pads less in front";
  spec.arithmetic = PixelArithmetic::pillow;
  EXPECT_EQ(middle(1, 1, 2), (std::vector<int>{0, 0, 0, 1})) << "NumPy pads more in front";
}

TEST_F(Fixed, TheShorterEdgeIsGivenAndTheLongerOneRoundedDown) {
  EXPECT_EQ(size_by_edge(3, 5), (PixelSize{4, 6})) << "20 / 3";
  EXPECT_EQ(size_by_edge(5, 3), (PixelSize{6, 4}));
}

TEST_F(Fixed, SquaresArePaddedWithTheMeanColour) {
  spec.mean = {0.5, 0.0, 1.0};
  const Result<media::Image> square = padded_to_square(numbered(1, 4), spec);
  ASSERT_TRUE(square.ok());
  EXPECT_EQ(square->width, 4);
  EXPECT_EQ(reds(*square), (std::vector<int>{127, 1, 127, 127, 127, 2, 127, 127, 127, 3, 127, 127, 127, 4, 127, 127}));
  EXPECT_EQ(square->rgb[2], 255);
}

TEST_F(Fixed, NothingIsAllocatedBeyondTheLimit) {
  EXPECT_EQ(padded_to_square(numbered(1, 20000), spec).status().code(), StatusCode::resource_exhausted);
  spec.do_resize = false;
  spec.do_center_crop = true;
  spec.crop_width = spec.crop_height = 1 << 16;
  EXPECT_EQ(resized_and_cropped(numbered(1, 1), spec, pool).status().code(), StatusCode::resource_exhausted);
}

class AnyResolution : public ::testing::Test {
 protected:
  AnyResolution() {
    spec.divides = true;
    spec.height = spec.width = 2;
    spec.pinpoints = {{2, 4}, {4, 2}, {4, 4}};
  }

  DividedPicture divided(int64_t width, int64_t height) {
    Result<DividedPicture> picture = divide_any_resolution(numbered(width, height), spec, pool);
    EXPECT_TRUE(picture.ok()) << picture.status().message();
    return std::move(*picture);
  }

  ImageProcessorSpec spec;
  ThreadPool pool{1};
};

TEST_F(AnyResolution, TilesFollowTheWholePictureRowByRow) {
  const DividedPicture picture = divided(4, 4);
  ASSERT_EQ(picture.tiles.size(), 5u);
  EXPECT_EQ(picture.global_tile, 0);
  EXPECT_EQ(picture.tile_rows, 2);
  EXPECT_EQ(picture.tile_columns, 2);
  EXPECT_EQ(reds(picture.tiles[1]), (std::vector<int>{1, 2, 5, 6}));
  EXPECT_EQ(reds(picture.tiles[2]), (std::vector<int>{3, 4, 7, 8}));
  EXPECT_EQ(reds(picture.tiles[3]), (std::vector<int>{9, 10, 13, 14}));
}

TEST_F(AnyResolution, AmongEqualsTheSizeThatWastesLeastIsTaken) {
  const DividedPicture picture = divided(4, 2);
  EXPECT_EQ(picture.tile_rows, 1) << "4 x 4 shows no more of it";
  EXPECT_EQ(picture.tile_columns, 2);
  EXPECT_EQ(reds(picture.tiles[1]), (std::vector<int>{1, 2, 5, 6}));
}

TEST_F(AnyResolution, BarsStandOnBothSides) {
  spec.pinpoints = {{2, 4}};
  const DividedPicture picture = divided(2, 2);
  EXPECT_EQ(reds(picture.tiles[1]), (std::vector<int>{0, 1, 0, 3}));
  EXPECT_EQ(reds(picture.tiles[2]), (std::vector<int>{2, 0, 4, 0}));
}

TEST_F(AnyResolution, ThePictureMayBeTooNarrowToShow) {
  spec.pinpoints = {{2, 2}, {4, 2}};
  EXPECT_EQ(divided(1, 40).tile_rows, 1) << "nothing of it fits either; the first that wastes least counts";
}

TEST_F(AnyResolution, UndividedPicturesArePaddedToSquares) {
  spec.divides = false;
  const DividedPicture picture = divided(1, 2);
  ASSERT_EQ(picture.tiles.size(), 1u);
  EXPECT_EQ(picture.global_tile, -1);
  EXPECT_EQ(reds(picture.tiles[0]), (std::vector<int>{1, 0, 2, 0}));
}

TEST_F(AnyResolution, TilesAreCountedBeforeTheyAreMade) {
  spec.height = spec.width = 1000;
  spec.crop_height = spec.crop_width = 1;
  spec.pinpoints = {{100, 100}};
  const Result<DividedPicture> picture = divide_any_resolution(numbered(4, 4), spec, pool);
  ASSERT_FALSE(picture.ok());
  EXPECT_EQ(picture.status().code(), StatusCode::resource_exhausted);
}

TEST_F(AnyResolution, SizesAreMultiplesOfTheTile) {
  spec.pinpoints = {{2, 3}};
  const Result<DividedPicture> picture = divide_any_resolution(numbered(4, 4), spec, pool);
  ASSERT_FALSE(picture.ok());
  EXPECT_THAT(picture.status().message(), ::testing::HasSubstr("multiples of the tile's 2 pixels, found 3 x 2"));
}

}  // namespace
}  // namespace azimuth::preprocess
