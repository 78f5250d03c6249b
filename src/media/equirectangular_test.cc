#include "media/equirectangular.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <numbers>

#include "support/golden_pixels.h"

namespace azimuth::media {
namespace {

using nlohmann::json;
using Vector = std::array<double, 3>;  // right, up, ahead

constexpr double kDegree = std::numbers::pi / 180.0;

json golden_tiles() {
  std::ifstream file(AZIMUTH_SOURCE_DIR "/tests/golden/media/panorama.json");
  return json::parse(file)["tiles"];
}

Image one_tile(const Image& panorama, const TileCamera& camera, double yaw) {
  ThreadPool pool(2);
  Result<std::vector<Image>> tiles = gnomonic_tiles(panorama, camera, {&yaw, 1}, pool);
  EXPECT_TRUE(tiles.ok()) << tiles.status().message();
  return tiles.ok() ? std::move((*tiles)[0]) : Image{};
}

// A grey level is at most half a level from its value. The values have five decimals; the arcsine of the reference is
// good to 1.5e-8 next to a pole, which 64 rows of pixels that differ by 255 make 8e-5 levels of.
TEST(GnomonicTiles, EqualTheReference) {
  const json tiles = golden_tiles();
  ASSERT_EQ(tiles.size(), 14U);
  for (const json& item : tiles) {
    const TileCamera camera{item["hfov"], item["pitch"], item["size"]};
    const Image tile = one_tile(golden::noise(item["seed"], item["width"], item["height"]), camera, item["yaw"]);
    const auto values = item["values"].get<std::vector<double>>();
    ASSERT_EQ(tile.rgb.size(), values.size());
    for (size_t i = 0; i < values.size(); ++i) {
      ASSERT_NEAR(tile.rgb[i], values[i], 0.5 + 1e-4) << "seed " << item["seed"] << ", value " << i;
    }
  }
}

// The colours of a world that is lit from the right, from above and from ahead; the same in every panorama of it.
Vector light(const Vector& direction) {
  return {127.5 + 100 * direction[0], 127.5 + 100 * direction[1], 127.5 + 100 * direction[2]};
}

Image panorama_of_light(int64_t width, int64_t height) {
  Image image{width, height, {}};
  for (int64_t y = 0; y < height; ++y) {
    const double latitude = (90 - (static_cast<double>(y) + 0.5) * 180 / static_cast<double>(height)) * kDegree;
    for (int64_t x = 0; x < width; ++x) {
      const double longitude = ((static_cast<double>(x) + 0.5) * 360 / static_cast<double>(width) - 180) * kDegree;
      for (double level : light({std::cos(latitude) * std::sin(longitude), std::sin(latitude),
                                 std::cos(latitude) * std::cos(longitude)})) {
        image.rgb.push_back(static_cast<uint8_t>(level + 0.5));
      }
    }
  }
  return image;
}

// Along the arms of a camera that is turned by yaw and then looks up by pitch.
Vector direction(double right, double up, double yaw, double pitch) {
  const Vector ahead{std::sin(yaw) * std::cos(pitch), std::sin(pitch), std::cos(yaw) * std::cos(pitch)};
  const Vector arm_right{std::cos(yaw), 0, -std::sin(yaw)};
  const Vector arm_up{-std::sin(yaw) * std::sin(pitch), std::cos(pitch), -std::cos(yaw) * std::sin(pitch)};
  const double length = std::sqrt(1 + right * right + up * up);
  Vector out{};
  for (size_t i = 0; i < 3; ++i) out[i] = (ahead[i] + right * arm_right[i] + up * arm_up[i]) / length;
  return out;
}

// What a tile shows is what lies in that direction. Half a level of rounding in the panorama and in the tile; linear
// interpolation of 100 levels' sines errs by 100/8 times the square of a step, on both axes; beyond the middle of the
// last row, clamping errs by half a step of slope 100.
TEST(GnomonicTiles, ShowWhatLiesInTheirDirection) {
  constexpr int64_t kWidth = 361;
  constexpr int64_t kHeight = 183;
  const double column = 360.0 / kWidth * kDegree;
  const double row = 180.0 / kHeight * kDegree;
  const double tolerance = 1.0 + 100.0 / 8 * (column * column + row * row) + 100 * row / 2;
  const Image panorama = panorama_of_light(kWidth, kHeight);
  constexpr int64_t kSize = 21;
  for (double field_of_view : {20.0, 45.0, 110.0}) {
    for (double pitch : {-90.0, -35.0, 0.0, 60.0, 90.0}) {
      for (double yaw : {-180.0, -100.0, 0.0, 33.0, 178.0}) {
        const Image tile = one_tile(panorama, {field_of_view, pitch, kSize}, yaw);
        const double reach = std::tan(field_of_view / 2 * kDegree);
        for (int64_t i = 0; i < kSize * kSize; ++i) {
          const double right = (2.0 * static_cast<double>(i % kSize) + 1 - kSize) / kSize * reach;
          const double up = (kSize - 1 - 2.0 * static_cast<double>(i / kSize)) / kSize * reach;
          const Vector expected = light(direction(right, up, yaw * kDegree, pitch * kDegree));
          for (size_t c = 0; c < 3; ++c) {
            ASSERT_NEAR(tile.rgb[static_cast<size_t>(3 * i) + c], expected[c], tolerance)
                << field_of_view << " " << pitch << " " << yaw << " pixel " << i;
          }
        }
      }
    }
  }
}

// Across longitude 180 as anywhere else, neighbours in a tile differ by no more than what lies between them in the
// panorama: 255 levels a column of an interpolated picture, and a level of rounding.
TEST(GnomonicTiles, SeamLeavesNoLine) {
  constexpr int64_t kSize = 129;
  constexpr double kFieldOfView = 45.0;
  for (const int64_t width : {9, 16, 31}) {
    const Image panorama = golden::noise(5, width, 1);  // one row: only columns differ
    for (const double yaw : {-180.0, 179.0, -170.0, 0.0}) {
      const Image tile = one_tile(panorama, {kFieldOfView, 0.0, kSize}, yaw);
      const double widest = 2 * std::tan(kFieldOfView / 2 * kDegree) / kSize / kDegree;  // degrees between neighbours
      const double most = 255 * widest / 360 * static_cast<double>(width) + 1;
      for (size_t i = 0; i < tile.rgb.size() - 3; ++i) {
        if (i / 3 % kSize == kSize - 1) continue;
        ASSERT_LE(std::abs(tile.rgb[i] - tile.rgb[i + 3]), most) << width << " columns, yaw " << yaw << ", byte " << i;
      }
    }
  }
}

TEST(GnomonicTiles, YawsAWholeTurnApartAreOneView) {
  const Image panorama = golden::noise(3, 50, 25);
  EXPECT_EQ(one_tile(panorama, {60, 10, 13}, -180), one_tile(panorama, {60, 10, 13}, 180));
  EXPECT_EQ(one_tile(panorama, {60, 10, 13}, 45), one_tile(panorama, {60, 10, 13}, 360 * 1000 + 45));
}

TEST(GnomonicTiles, ThreadsDoNotChangeABit) {
  const Image panorama = golden::noise(4, 97, 53);
  const std::vector<double> yaws{0, 77, -100};
  ThreadPool one(1);
  ThreadPool many(3);
  EXPECT_EQ(*gnomonic_tiles(panorama, {80, -20, 61}, yaws, one), *gnomonic_tiles(panorama, {80, -20, 61}, yaws, many));
}

TEST(GnomonicTiles, RefuseImpossibleViews) {
  ThreadPool pool(1);
  const Image panorama = golden::noise(1, 8, 4);
  const auto code = [&](const Image& image, const TileCamera& camera, double yaw = 0) {
    return gnomonic_tiles(image, camera, {&yaw, 1}, pool).status().code();
  };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(code({}, {}), StatusCode::invalid_argument);
  for (double angle : {0.0, -45.0, 180.0, 1e9, nan})
    EXPECT_EQ(code(panorama, {angle, 0, 4}), StatusCode::invalid_argument);
  for (double angle : {-90.1, 91.0, nan}) EXPECT_EQ(code(panorama, {45, angle, 4}), StatusCode::invalid_argument);
  EXPECT_EQ(code(panorama, {45, 0, 0}), StatusCode::invalid_argument);
  EXPECT_EQ(code(panorama, {45, 0, -3}), StatusCode::invalid_argument);
  EXPECT_EQ(code(panorama, {45, 0, 1 << 14}), StatusCode::resource_exhausted);
  EXPECT_EQ(code(panorama, {45, 0, std::numeric_limits<int64_t>::max()}), StatusCode::resource_exhausted);
  EXPECT_EQ(code(panorama, {}, nan), StatusCode::invalid_argument);
  EXPECT_EQ(code(panorama, {}, std::numeric_limits<double>::infinity()), StatusCode::invalid_argument);
  EXPECT_EQ(code(panorama, {179.999999, 90, 4}, 1e300), StatusCode::ok);
}

}  // namespace
}  // namespace azimuth::media
