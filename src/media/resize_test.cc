#include "media/resize.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "support/golden_pixels.h"

namespace azimuth::media {
namespace {

nlohmann::json goldens() {
  std::ifstream file(AZIMUTH_SOURCE_DIR "/tests/golden/media/resize.json");
  return nlohmann::json::parse(file);
}

ResampleFilter filter_named(const std::string& name) {
  if (name == "bilinear") return ResampleFilter::bilinear;
  return name == "bicubic" ? ResampleFilter::bicubic : ResampleFilter::lanczos;
}

Result<Image> resize_case(const nlohmann::json& item, PixelArithmetic arithmetic, ThreadPool& pool) {
  return resize(golden::noise(item["seed"], item["width"], item["height"]), item["to_width"], item["to_height"],
                filter_named(item["filter"]), arithmetic, pool);
}

// Returns how many cases had an expectation.
int expect_checksums(PixelArithmetic arithmetic, const char* key) {
  ThreadPool pool(2);
  int compared = 0;
  const nlohmann::json cases = goldens()["cases"];
  for (const nlohmann::json& item : cases) {
    if (item[key].is_null()) continue;
    const Result<Image> image = resize_case(item, arithmetic, pool);
    EXPECT_TRUE(image.ok() && golden::crc32(image->rgb) == item[key]) << item.dump();
    ++compared;
  }
  return compared;
}

TEST(Resize, EqualsPillowOnRandomSizes) {
  EXPECT_EQ(expect_checksums(PixelArithmetic::pillow, "pillow"), 240);
}

// At every level of kernels that this machine has. torch 2.15 itself fails on one of the sizes (one pixel).
TEST(Resize, EqualsTorchvisionOnRandomSizes) {
  const kernels::CpuLevel before = kernels::active_level();
  for (kernels::CpuLevel level : kernels::available_levels()) {
    SCOPED_TRACE(kernels::to_string(level));
    ASSERT_TRUE(kernels::force_level(level).ok());
    EXPECT_EQ(expect_checksums(PixelArithmetic::torchvision, "torchvision"), 239);
  }
  ASSERT_TRUE(kernels::force_level(before).ok());
}

TEST(Resize, EqualsBothLibrariesPixelByPixel) {
  ThreadPool pool(1);
  const nlohmann::json item = goldens()["full"];
  EXPECT_EQ(resize_case(item, PixelArithmetic::pillow, pool)->rgb, item["pillow"].get<std::vector<uint8_t>>());
  EXPECT_EQ(resize_case(item, PixelArithmetic::torchvision, pool)->rgb,
            item["torchvision"].get<std::vector<uint8_t>>());
}

TEST(Resize, SameSizeIsACopy) {
  ThreadPool pool(1);
  const Image image = golden::noise(1, 9, 5);
  EXPECT_EQ(*resize(image, 9, 5, ResampleFilter::lanczos, PixelArithmetic::torchvision, pool), image);
}

TEST(Resize, ThreadsDoNotChangeABit) {
  const Image image = golden::noise(2, 131, 97);
  ThreadPool one(1);
  ThreadPool many(3);
  for (PixelArithmetic arithmetic : {PixelArithmetic::torchvision, PixelArithmetic::pillow}) {
    EXPECT_EQ(*resize(image, 56, 140, ResampleFilter::bicubic, arithmetic, one),
              *resize(image, 56, 140, ResampleFilter::bicubic, arithmetic, many));
  }
}

TEST(Resize, RefusesImpossibleSizes) {
  ThreadPool pool(1);
  const auto code = [&](const Image& image, int64_t width, int64_t height) {
    return resize(image, width, height, ResampleFilter::bicubic, PixelArithmetic::torchvision, pool).status().code();
  };
  const Image image = golden::noise(1, 3, 3);
  EXPECT_EQ(code({}, 4, 4), StatusCode::invalid_argument);
  EXPECT_EQ(code(image, 0, 4), StatusCode::invalid_argument);
  EXPECT_EQ(code(image, 4, -1), StatusCode::invalid_argument);
  EXPECT_EQ(code(image, int64_t{1} << 40, int64_t{1} << 40), StatusCode::resource_exhausted);
  EXPECT_EQ(code(image, 1 << 15, 1 << 15), StatusCode::resource_exhausted);
}

TEST(FilterTaps, SumToOneWithinThePicture) {
  for (ResampleFilter filter : {ResampleFilter::bilinear, ResampleFilter::bicubic, ResampleFilter::lanczos}) {
    for (auto [in, out] : {std::pair<int64_t, int64_t>{100, 7}, {7, 100}, {1, 9}, {9, 1}}) {
      const FilterTaps taps = filter_taps(in, out, filter);
      ASSERT_EQ(static_cast<int64_t>(taps.first.size()), out);
      for (int64_t i = 0; i < out; ++i) {
        double sum = 0.0;
        for (int32_t t = 0; t < taps.count[i]; ++t) sum += taps.weights[i * taps.max_taps + t];
        EXPECT_NEAR(sum, 1.0, 1e-14);  // a handful of roundings of numbers near 1
        EXPECT_GE(taps.first[i], 0);
        EXPECT_LE(taps.first[i] + taps.count[i], in);
      }
    }
  }
}

}  // namespace
}  // namespace azimuth::media
