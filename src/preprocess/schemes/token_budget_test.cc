// Sizes within a budget of tokens, as get_aspect_ratio_preserving_size of image_processing_gemma4.py gives them, and
// the order of the values of a patch.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "preprocess/patchify.h"
#include "preprocess/schemes/scheme.h"

namespace azimuth::preprocess {
namespace {

media::Image picture(int64_t width, int64_t height) {
  media::Image image{width, height, std::vector<uint8_t>(static_cast<size_t>(width * height * 3))};
  for (size_t i = 0; i < image.rgb.size(); ++i) image.rgb[i] = static_cast<uint8_t>(i % 251);
  return image;
}

ImageProcessorSpec spec_of(int64_t patch, int64_t pool, int64_t tokens) {
  ImageProcessorSpec spec;
  spec.scheme = PreprocessScheme::token_budget;
  spec.array = PixelArray::padded_patches;
  spec.patch_size = patch;
  spec.merge_size = pool;
  spec.temporal_patch_size = 1;
  spec.max_tokens = tokens;
  return spec;
}

TEST(TokenBudget, SizesEqualTransformers) {
  struct Case {
    int64_t width, height, patch, tokens, pool, expected_width, expected_height;
  };
  constexpr std::array<Case, 8> cases = {{{640, 480, 16, 280, 3, 912, 672},
                                          {52, 37, 3, 70, 3, 81, 63},
                                          {1, 1, 16, 70, 3, 384, 384},
                                          {410, 9, 4, 70, 3, 672, 12},
                                          {9, 410, 4, 70, 2, 8, 448},
                                          {5000, 1, 16, 280, 3, 13440, 48},
                                          {1, 5000, 16, 280, 3, 48, 13440},
                                          {768, 768, 16, 280, 3, 768, 768}}};
  ThreadPool pool(1);
  for (const Case& c : cases) {
    SCOPED_TRACE(std::to_string(c.width) + " x " + std::to_string(c.height));
    const Result<DividedPicture> divided =
        divide_token_budget(picture(c.width, c.height), spec_of(c.patch, c.pool, c.tokens), pool);
    ASSERT_TRUE(divided.ok()) << divided.status().message();
    EXPECT_EQ(divided->tiles[0].width, c.expected_width);
    EXPECT_EQ(divided->tiles[0].height, c.expected_height);
  }
}

TEST(TokenBudget, RefusesBudgetsThatTheClassDoesNotHave) {
  ThreadPool pool(1);
  const Status status = divide_token_budget(picture(30, 30), spec_of(4, 3, 100), pool).status();
  EXPECT_EQ(status.code(), StatusCode::invalid_argument);
  EXPECT_THAT(status.message(), testing::HasSubstr("70, 140, 280, 560 or 1120, found 100"));
}

TEST(RasterPatches, RunRowByRowWithChannelsInside) {
  ThreadPool pool(1);
  const media::Image image = picture(6, 4);
  ImageProcessorSpec spec = spec_of(2, 1, 70);
  spec.do_rescale = spec.do_normalize = false;
  const Result<Patches> patches = raster_patches(std::array{&image}, spec, pool);
  ASSERT_TRUE(patches.ok());
  EXPECT_EQ(patches->grid, (Grid{1, 2, 3}));
  EXPECT_EQ(patches->padded_rows, 70);
  // Patch 4 covers rows 2..3 and columns 2..3.
  const float* values = patches->pixels.row(4);
  for (int64_t y = 0; y < 2; ++y) {
    for (int64_t i = 0; i < 6; ++i) {
      EXPECT_EQ(values[6 * y + i], static_cast<float>(image.rgb[static_cast<size_t>(3 * ((2 + y) * 6 + 2) + i)]));
    }
  }
}

}  // namespace
}  // namespace azimuth::preprocess
