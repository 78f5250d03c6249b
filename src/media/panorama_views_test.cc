#include "media/panorama_views.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>

#include "azimuth/log.h"
#include "media/equirectangular.h"
#include "media/letterbox.h"
#include "support/golden_pixels.h"

namespace azimuth::media {
namespace {

using nlohmann::json;

PanoramaOptions small(double hfov, double overlap = 0.0, double pitch = 0.0, int64_t size = 17) {
  return {hfov, overlap, pitch, size, size};
}

TEST(PanoramaYaws, EqualTheReleasedOnes) {
  std::ifstream file(AZIMUTH_SOURCE_DIR "/tests/golden/positions/vectors.json");
  const json tables = json::parse(file)["tables"]["misc"];
  int compared = 0;
  for (const auto& [name, table] : tables.items()) {
    if (!name.starts_with("pano_yaw_centers_")) continue;
    const Result<std::vector<double>> yaws = panorama_yaws(small(table["hfov"], table["overlap"]));
    ASSERT_TRUE(yaws.ok()) << yaws.status().message();
    EXPECT_EQ(*yaws, table["yaw"].get<std::vector<double>>()) << name;
    ++compared;
  }
  EXPECT_EQ(compared, 3);
}

TEST(PanoramaYaws, DefaultIsEightTilesAllAround) {
  EXPECT_EQ(*panorama_yaws({}), (std::vector<double>{0, 45, 90, 135, -180, -135, -90, -45}));
}

// A tile's width that does not divide the circle is made up for by closer tiles, never by a gap.
TEST(PanoramaYaws, GoAllAroundWithoutAGap) {
  for (const double hfov : {7.0, 50.0, 100.0, 179.0}) {
    const std::vector<double> yaws = *panorama_yaws(small(hfov));
    EXPECT_EQ(yaws.size(), static_cast<size_t>(std::ceil(360 / hfov)));
    for (size_t i = 0; i < yaws.size(); ++i) {
      EXPECT_GE(yaws[i], -180.0);
      EXPECT_LT(yaws[i], 180.0);
      const double next = yaws[(i + 1) % yaws.size()];
      // angles of some hundred degrees, rounded a few times
      EXPECT_NEAR(std::remainder(next - yaws[i] - 360.0 / static_cast<double>(yaws.size()), 360.0), 0.0, 1e-12);
    }
  }
}

TEST(PanoramaYaws, RefuseImpossibleRings) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const double hfov : {0.0, -1.0, 180.0, 1e300, nan}) {
    EXPECT_EQ(panorama_yaws(small(hfov)).status().code(), StatusCode::invalid_argument) << hfov;
  }
  for (const double overlap : {-0.01, 1.0, 2.0, nan}) {
    EXPECT_EQ(panorama_yaws(small(45, overlap)).status().code(), StatusCode::invalid_argument) << overlap;
  }
  EXPECT_EQ(panorama_yaws(small(360.0 / 64))->size(), 64U);
  EXPECT_EQ(panorama_yaws(small(5.6)).status().code(), StatusCode::resource_exhausted);
  EXPECT_EQ(panorama_yaws(small(1e-320)).status().code(), StatusCode::resource_exhausted);
  EXPECT_EQ(panorama_yaws(small(90, 0.9999999)).status().code(), StatusCode::resource_exhausted);
}

TEST(PanoramaViews, AreTheWholePictureThenTheTiles) {
  ThreadPool pool(2);
  const Image panorama = golden::noise(1, 40, 20);
  const PanoramaOptions options{90.0, 0.5, 20.0, 11, 14};
  const Result<std::vector<Image>> views = panorama_views(panorama, options, pool);
  ASSERT_TRUE(views.ok()) << views.status().message();
  ASSERT_EQ(views->size(), 9U);
  EXPECT_EQ((*views)[0], *letterbox(panorama, 14, pool));
  const std::vector<Image> tiles = *gnomonic_tiles(panorama, {90, 20, 11}, *panorama_yaws(options), pool);
  EXPECT_EQ(std::vector<Image>(views->begin() + 1, views->end()), tiles);
}

Image rolled(const Image& image, int64_t columns) {
  Image out = image;
  for (int64_t y = 0; y < image.height; ++y) {
    for (int64_t x = 0; x < image.width; ++x) {
      const int64_t to = (x + columns) % image.width;
      for (int64_t c = 0; c < 3; ++c) {
        out.rgb[static_cast<size_t>((y * image.width + to) * 3 + c)] =
            image.rgb[static_cast<size_t>((y * image.width + x) * 3 + c)];
      }
    }
  }
  return out;
}

int largest_difference(const Image& a, const Image& b) {
  if (a.rgb.size() != b.rgb.size()) return 256;
  int largest = 0;
  for (size_t i = 0; i < a.rgb.size(); ++i) largest = std::max(largest, std::abs(a.rgb[i] - b.rgb[i]));
  return largest;
}

// A panorama has no beginning: turning it by whole tiles only renumbers the tiles.
TEST(PanoramaViews, RollingByTilesPermutesThem) {
  ThreadPool pool(2);
  struct Case {
    double hfov, overlap;
    int64_t columns_per_tile;
  };
  for (const Case& c :
       {Case{45, 0, 5}, {45, 0, 3}, {100, 0, 7}, {60, 0.5, 3}, {90, 0.25, 11}, {51, 0, 9}, {170, 0, 1}}) {
    for (const double pitch : {0.0, -40.0, 75.0, 90.0}) {
      const PanoramaOptions options = small(c.hfov, c.overlap, pitch, 19);
      const auto tiles = static_cast<int64_t>(panorama_yaws(options)->size());
      const int64_t width = tiles * c.columns_per_tile;
      const Image panorama = golden::noise(11, width, width / 2);
      const std::vector<Image> before = *panorama_views(panorama, options, pool);
      for (const int64_t steps : {int64_t{1}, tiles / 2, tiles - 1}) {
        const std::vector<Image> after = *panorama_views(rolled(panorama, steps * c.columns_per_tile), options, pool);
        for (int64_t tile = 0; tile < tiles; ++tile) {
          EXPECT_LE(largest_difference(before[1 + tile], after[1 + (tile + steps) % tiles]), 1)
              << c.hfov << " " << c.overlap << " " << pitch << ": tile " << tile << " after " << steps << " steps";
        }
      }
    }
  }
}

// Messages that log() passes on while this lives.
class LogCapture {
 public:
  LogCapture() {
    set_log_callback([this](LogLevel level, std::string_view message) {
      const std::lock_guard lock(mutex_);
      if (level == LogLevel::warning) warnings_.emplace_back(message);
    });
  }
  ~LogCapture() { set_log_callback({}); }
  std::vector<std::string> warnings() const { return warnings_; }

 private:
  std::mutex mutex_;
  std::vector<std::string> warnings_;
};

TEST(PanoramaViews, WarnOfAnotherShapeThanTwoToOne) {
  ThreadPool pool(1);
  const auto warnings = [&](int64_t width, int64_t height) {
    const LogCapture log;
    EXPECT_TRUE(panorama_views(golden::noise(1, width, height), small(90), pool).ok());
    return log.warnings();
  };
  EXPECT_EQ(warnings(64, 32), std::vector<std::string>{});
  EXPECT_EQ(warnings(64, 30), std::vector<std::string>{});
  ASSERT_EQ(warnings(64, 64).size(), 1U);
  EXPECT_NE(warnings(64, 64)[0].find("64 x 64"), std::string::npos);
  EXPECT_EQ(warnings(300, 1).size(), 1U);
}

TEST(PanoramaViews, RefuseWhatHasNoViews) {
  ThreadPool pool(1);
  const auto code = [&](const Image& image, const PanoramaOptions& options) {
    return panorama_views(image, options, pool).status().code();
  };
  const Image panorama = golden::noise(1, 8, 4);
  EXPECT_EQ(code({}, {}), StatusCode::invalid_argument);
  EXPECT_EQ(code(panorama, small(45, 0, 91)), StatusCode::invalid_argument);
  EXPECT_EQ(code(panorama, small(45, 0, 0, 0)), StatusCode::invalid_argument);
  EXPECT_EQ(code(panorama, small(45, 0, 0, 8192)), StatusCode::resource_exhausted);
  EXPECT_EQ(code(panorama, {45, 0, 0, 16, 0}), StatusCode::invalid_argument);
}

}  // namespace
}  // namespace azimuth::media
