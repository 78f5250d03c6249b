#include "media/letterbox.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "support/golden_pixels.h"

namespace azimuth::media {
namespace {

using nlohmann::json;

TEST(Letterbox, EqualsPillow) {
  std::ifstream file(AZIMUTH_SOURCE_DIR "/tests/golden/media/panorama.json");
  const json cases = json::parse(file)["letterboxes"];
  ASSERT_EQ(cases.size(), 7U);
  ThreadPool pool(2);
  for (const json& item : cases) {
    const Result<Image> square =
        letterbox(golden::noise(item["seed"], item["width"], item["height"]), item["size"], pool);
    ASSERT_TRUE(square.ok()) << square.status().message();
    EXPECT_EQ(golden::crc32(square->rgb), item["crc"]) << item.dump();
  }
}

TEST(Letterbox, ThinPictureKeepsALine) {
  ThreadPool pool(1);
  const Image white{1000, 1, std::vector<uint8_t>(3000, 255)};
  const Result<Image> square = letterbox(white, 3, pool);
  ASSERT_TRUE(square.ok()) << square.status().message();
  std::vector<uint8_t> expected(27, 0);
  std::fill_n(expected.begin() + 9, 9, uint8_t{255});
  EXPECT_EQ(square->rgb, expected);
}

TEST(Letterbox, RefusesImpossibleSizes) {
  ThreadPool pool(1);
  const Image image = golden::noise(1, 3, 2);
  EXPECT_EQ(letterbox({}, 4, pool).status().code(), StatusCode::invalid_argument);
  EXPECT_EQ(letterbox(image, 0, pool).status().code(), StatusCode::invalid_argument);
  EXPECT_EQ(letterbox(image, -1, pool).status().code(), StatusCode::invalid_argument);
  EXPECT_EQ(letterbox(image, 1 << 20, pool).status().code(), StatusCode::resource_exhausted);
}

}  // namespace
}  // namespace azimuth::media
