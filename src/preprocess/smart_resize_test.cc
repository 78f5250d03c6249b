#include "preprocess/smart_resize.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

namespace azimuth::preprocess {
namespace {

nlohmann::json goldens() {
  std::ifstream file(AZIMUTH_SOURCE_DIR "/tests/golden/preprocess/smart_resize.json");
  return nlohmann::json::parse(file);
}

// Expectation: [height, width], or null where the reference refuses.
void expect_size(const nlohmann::json& item, const Result<PixelSize>& size) {
  ASSERT_EQ(size.ok(), !item[1].is_null()) << item.dump();
  if (!size.ok()) return;
  EXPECT_EQ(nlohmann::json({size->height, size->width}), item[1]) << item.dump();
}

TEST(SmartResize, EqualsTransformersForPictures) {
  const nlohmann::json cases = goldens()["pictures"];
  ASSERT_GT(cases.size(), 200u);
  for (const nlohmann::json& item : cases) {
    const auto in = item[0].get<std::vector<int64_t>>();
    expect_size(item, smart_resize({in[1], in[0]}, in[2], {in[3], in[4]}));
  }
}

TEST(SmartResize, EqualsTransformersForVideos) {
  const nlohmann::json cases = goldens()["videos"];
  ASSERT_GT(cases.size(), 200u);
  for (const nlohmann::json& item : cases) {
    const auto in = item[0].get<std::vector<int64_t>>();
    expect_size(item, smart_resize_video(in[0], {in[2], in[1]}, in[3], in[4], {in[5], in[6]}));
  }
}

TEST(SmartResize, RoundsHalvesToEven) {
  EXPECT_EQ(*smart_resize({70, 210}, 28, {1, 1 << 30}), (PixelSize{56, 224}));  // 2.5 -> 2, 7.5 -> 8
}

TEST(SmartResize, RefusesExtremeRatiosWithNumbers) {
  EXPECT_TRUE(smart_resize({200, 1}, 28, {3136, 1 << 20}).ok());
  const Status status = smart_resize({1, 20000}, 28, {3136, 1 << 20}).status();
  EXPECT_EQ(status.code(), StatusCode::invalid_argument);
  EXPECT_THAT(status.message(), testing::HasSubstr("at most 200 was expected, found 1 x 20000 = 20000"));
  EXPECT_THAT(status.message(), testing::HasSubstr("--panorama"));
}

TEST(SmartResize, RefusesEmptyPictures) {
  EXPECT_EQ(smart_resize({0, 5}, 28, {1, 100}).status().code(), StatusCode::invalid_argument);
  EXPECT_EQ(smart_resize_video(2, {5, 0}, 2, 28, {1, 100}).status().code(), StatusCode::invalid_argument);
}

}  // namespace
}  // namespace azimuth::preprocess
