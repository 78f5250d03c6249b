// Crops of pan and scan, by the rules of Gemma3ImageProcessor.pan_and_scan_batched.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "preprocess/schemes/scheme.h"

namespace azimuth::preprocess {
namespace {

// Red counts columns, green counts rows.
media::Image ramp(int64_t width, int64_t height) {
  media::Image image{width, height, std::vector<uint8_t>(static_cast<size_t>(width * height * 3))};
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      image.rgb[static_cast<size_t>((y * width + x) * 3)] = static_cast<uint8_t>(x);
      image.rgb[static_cast<size_t>((y * width + x) * 3 + 1)] = static_cast<uint8_t>(y);
    }
  }
  return image;
}

ImageProcessorSpec spec_of(int64_t min_crop, int64_t max_crops, double min_ratio) {
  ImageProcessorSpec spec;
  spec.scheme = PreprocessScheme::pan_and_scan;
  spec.height = spec.width = 12;
  spec.divides = true;
  spec.min_crop_size = min_crop;
  spec.max_crops = max_crops;
  spec.min_ratio_to_crop = min_ratio;
  return spec;
}

Result<DividedPicture> divide(const media::Image& image, const ImageProcessorSpec& spec) {
  ThreadPool pool(1);
  return divide_pan_and_scan(image, spec, pool);
}

TEST(PanAndScan, PicturesNearASquareStayWhole) {
  const Result<DividedPicture> picture = divide(ramp(119, 100), spec_of(10, 4, 1.2));
  ASSERT_TRUE(picture.ok());
  EXPECT_EQ(picture->tiles.size(), 1u);
  EXPECT_EQ(picture->global_tile, -1);
}

TEST(PanAndScan, CropsFollowTheRatioHalfRoundedUp) {
  const Result<DividedPicture> picture = divide(ramp(100, 40), spec_of(10, 4, 1.2));  // 2.5 -> 3
  ASSERT_TRUE(picture.ok());
  EXPECT_EQ(picture->tiles.size(), 4u);
  EXPECT_EQ(picture->tile_columns, 3);
  EXPECT_EQ(picture->tile_rows, 1);
  EXPECT_EQ(picture->global_tile, 0);
  for (const media::Image& tile : picture->tiles) EXPECT_EQ(tile.width * tile.height, 144);
}

TEST(PanAndScan, ThereAreAtLeastTwoAndAtMostAsManyAsAllowed) {
  EXPECT_EQ(divide(ramp(60, 50), spec_of(10, 4, 1.2))->tiles.size(), 3u);   // 1.2 -> 1 -> 2
  EXPECT_EQ(divide(ramp(20, 160), spec_of(10, 4, 1.2))->tiles.size(), 5u);  // 8 -> 4
  EXPECT_EQ(divide(ramp(90, 30), spec_of(10, 1, 1.2))->tiles.size(), 2u);   // one crop that is the whole picture
  EXPECT_EQ(divide(ramp(90, 40), spec_of(35, 4, 1.2))->tiles.size(), 3u);   // no more than fit at the least size
}

TEST(PanAndScan, CropsBelowTheLeastSizeAreNotTaken) {
  EXPECT_EQ(divide(ramp(90, 19), spec_of(20, 4, 1.2))->tiles.size(), 1u);
}

// 61 pixels in three crops are 21, 21 and 19: the last one begins at 42.
TEST(PanAndScan, TheLastCropIsNarrower) {
  ImageProcessorSpec spec = spec_of(8, 4, 1.5);
  spec.width = 19;
  spec.height = 20;
  const Result<DividedPicture> picture = divide(ramp(61, 20), spec);
  ASSERT_TRUE(picture.ok());
  ASSERT_EQ(picture->tiles.size(), 4u);
  const media::Image& last = picture->tiles.back();  // at its own size, so that nothing is resampled
  EXPECT_EQ(last.rgb[0], 42);
  EXPECT_EQ(last.rgb[18 * 3], 60);
}

TEST(PanAndScan, CropsWithoutAPixelAreAnError) {
  const Result<DividedPicture> picture = divide(ramp(5, 1), spec_of(1, 4, 1.2));  // 2 + 2 + 1 + 0
  EXPECT_EQ(picture.status().code(), StatusCode::invalid_argument);
  EXPECT_THAT(picture.status().message(), testing::HasSubstr("pan_and_scan_max_num_crops"));
}

}  // namespace
}  // namespace azimuth::preprocess
