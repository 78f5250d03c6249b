// Clips of tests/golden/video against what transformers' PyAV reader makes of them (tests/oracle/video_goldens.py).
#include "media/video_file.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>

#include "support/golden_pixels.h"
#include "support/temp_directory.h"

namespace azimuth::media {
namespace {

using ::testing::HasSubstr;
using testing_support::TempDirectory;

const std::string kGoldens = AZIMUTH_SOURCE_DIR "/tests/golden/video/";
constexpr int kTolerance = 2;  // grey levels; FFmpeg's releases and processors differ by less

nlohmann::json clips() {
  std::ifstream file(kGoldens + "clips.json");
  return nlohmann::json::parse(file);
}

std::vector<uint8_t> clip_bytes(const std::string& name) {
  return golden::read_bytes(kGoldens + name);
}

int worst_difference(const Image& frame, const uint8_t* expected) {
  int worst = 0;
  for (size_t i = 0; i < frame.rgb.size(); ++i) worst = std::max(worst, std::abs(frame.rgb[i] - expected[i]));
  return worst;
}

class VideoFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!can_read_video_files()) GTEST_SKIP() << "built without FFmpeg's libraries";
  }
};

TEST_F(VideoFileTest, MetadataAndFramesEqualPyAv) {
  for (const nlohmann::json& row : clips()) {
    const std::string name = row["file"];
    SCOPED_TRACE(name);
    Result<VideoFile> video = VideoFile::open(kGoldens + name);
    ASSERT_TRUE(video.ok()) << video.status().message();
    const VideoMetadata& metadata = video->metadata();
    EXPECT_EQ(metadata.total_num_frames, row["total_num_frames"]);
    EXPECT_EQ(metadata.width, row["width"].get<int64_t>());
    EXPECT_EQ(metadata.height, row["height"].get<int64_t>());
    EXPECT_EQ(metadata.fps, row["fps"].get<double>());
    EXPECT_EQ(metadata.duration, row["duration"].get<double>());

    const Result<Image> sheet = load_image(kGoldens + name + ".png");
    ASSERT_TRUE(sheet.ok()) << sheet.status().message();
    const auto indices = row["frames"].get<std::vector<int64_t>>();
    Result<std::vector<Image>> frames = video->frames(indices);
    ASSERT_TRUE(frames.ok()) << frames.status().message();
    ASSERT_EQ(frames->size(), indices.size());
    for (size_t i = 0; i < frames->size(); ++i) {
      const Image& frame = (*frames)[i];
      ASSERT_EQ(frame.width, sheet->width);
      ASSERT_EQ(frame.height * static_cast<int64_t>(indices.size()), sheet->height);
      EXPECT_LE(worst_difference(frame, sheet->rgb.data() + i * frame.rgb.size()), kTolerance) << "frame " << i;
    }
  }
}

TEST_F(VideoFileTest, AnyFramesAreThoseOfTheWholeClip) {
  Result<VideoFile> video = VideoFile::open(kGoldens + "h264_bframes.mp4");
  ASSERT_TRUE(video.ok());
  std::vector<int64_t> all(24);
  std::iota(all.begin(), all.end(), 0);
  const Result<std::vector<Image>> whole = video->frames(all);
  ASSERT_TRUE(whole.ok()) << whole.status().message();
  ASSERT_EQ(whole->size(), 24u);
  const std::vector<int64_t> some = {3, 3, 11, 17, 17};
  const Result<std::vector<Image>> chosen = video->frames(some);
  ASSERT_TRUE(chosen.ok());
  EXPECT_THAT(*chosen, ::testing::ElementsAre((*whole)[3], (*whole)[11], (*whole)[17]));  // repeats once, as PyAV
  EXPECT_FALSE((*whole)[3] == (*whole)[4]);
  const Result<std::vector<Image>> none = video->frames({});
  EXPECT_TRUE(none.ok() && none->empty());
}

TEST_F(VideoFileTest, DataUrlsAreRead) {
  // h264 in a data: URL: "AAAA..." is what MP4 files begin with.
  const std::vector<uint8_t> bytes = clip_bytes("one_frame.mp4");
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string url = "data:video/mp4;base64,";
  for (size_t i = 0; i + 3 <= bytes.size(); i += 3) {
    const int word = bytes[i] << 16 | bytes[i + 1] << 8 | bytes[i + 2];
    for (int shift = 18; shift >= 0; shift -= 6) url.push_back(kDigits[word >> shift & 63]);
  }
  Result<VideoFile> video = VideoFile::open(url);
  ASSERT_TRUE(video.ok()) << video.status().message();
  EXPECT_EQ(video->metadata().total_num_frames, 1);
}

TEST_F(VideoFileTest, ImpossibleIndicesAreErrors) {
  Result<VideoFile> video = VideoFile::open(kGoldens + "one_frame.mp4");
  ASSERT_TRUE(video.ok());
  EXPECT_THAT(video->frames(std::vector<int64_t>{1}).status().message(), HasSubstr("found frame 1"));
  EXPECT_THAT(video->frames(std::vector<int64_t>{-1}).status().message(), HasSubstr("found frame -1"));
  Result<VideoFile> longer = VideoFile::open(kGoldens + "mjpeg.avi");
  ASSERT_TRUE(longer.ok());
  EXPECT_THAT(longer->frames(std::vector<int64_t>{2, 1}).status().message(), HasSubstr("found 1 behind 2"));
}

TEST_F(VideoFileTest, LimitsAreKept) {
  const std::string path = kGoldens + "h264_bframes.mp4";
  const auto code = [](const VideoFileOptions& options, const std::string& file) {
    Result<VideoFile> video = VideoFile::open(file, options);
    if (!video.ok()) return video.status().code();
    std::vector<int64_t> all(static_cast<size_t>(video->metadata().total_num_frames));
    std::iota(all.begin(), all.end(), 0);
    return video->frames(all).status().code();
  };
  EXPECT_EQ(code({}, path), StatusCode::ok);
  EXPECT_EQ(code({.max_bytes = 1000}, path), StatusCode::resource_exhausted);
  EXPECT_EQ(code({.max_pixels = 64 * 48 - 1}, path), StatusCode::resource_exhausted);
  EXPECT_EQ(code({.max_frames = 23}, path), StatusCode::resource_exhausted);
  EXPECT_EQ(code({.max_kept_pixels = 24 * 64 * 48 - 1}, path), StatusCode::resource_exhausted);
  EXPECT_EQ(code({.max_coded_pixels = 24 * 64 * 48 - 1}, path), StatusCode::resource_exhausted);
  EXPECT_EQ(code({.max_frames = 11}, kGoldens + "vp9_odd.webm"), StatusCode::resource_exhausted);  // while counting
}

// Playlists and scripts would let a file name others: none is opened, whatever its bytes say.
TEST_F(VideoFileTest, OnlyVideosAreOpened) {
  const TempDirectory folder;
  const std::string inner = kGoldens + "one_frame.mp4";
  const std::string playlists[] = {"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n" + inner + "\n#EXT-X-ENDLIST\n",
                                   "ffconcat version 1.0\nfile '" + inner + "'\n", "<?xml version=\"1.0\"?><MPD></MPD>",
                                   "plain text", ""};
  for (const std::string& text : playlists) {
    SCOPED_TRACE(text);
    const std::string path = folder.write("list.mp4", text);
    const Status status = VideoFile::open(path).status();
    EXPECT_FALSE(status.ok());
    EXPECT_THAT(status.message(), HasSubstr("a video"));
    EXPECT_TRUE(status.message().starts_with(path)) << status.message();
  }
  EXPECT_EQ(VideoFile::open("http://example.org/a.mp4").status().code(), StatusCode::unsupported);
  EXPECT_EQ(VideoFile::open(folder.path("none.mp4")).status().code(), StatusCode::not_found);
  EXPECT_EQ(VideoFile::open(folder.path()).status().code(), StatusCode::invalid_argument);
}

void read_all(const std::string& path, const VideoFileOptions& options) {
  Result<VideoFile> video = VideoFile::open(path, options);
  EXPECT_TRUE(video.ok() || !video.status().message().empty());
  if (!video.ok()) return;
  std::vector<int64_t> all(static_cast<size_t>(std::min<int64_t>(video->metadata().total_num_frames, 64)));
  std::iota(all.begin(), all.end(), 0);
  const Result<std::vector<Image>> frames = video->frames(all);
  EXPECT_TRUE(frames.ok() || !frames.status().message().empty());
  if (!frames.ok()) return;
  for (const Image& frame : *frames) EXPECT_EQ(frame.rgb.size(), static_cast<size_t>(3 * frame.width * frame.height));
}

// Frames or one sentence, never a crash; the sanitizer builds make this test sharp.
TEST_F(VideoFileTest, SurvivesTruncationAndDamage) {
  const TempDirectory folder;
  const auto read = [&](const std::string& name, std::span<const uint8_t> bytes) {
    const std::string path = folder.write(name, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    read_all(path, {.max_pixels = 1 << 18, .max_frames = 64});
  };
  for (const nlohmann::json& row : clips()) {
    const std::string name = row["file"];
    SCOPED_TRACE(name);
    const std::vector<uint8_t> whole = clip_bytes(name);
    for (int cut = 1; cut < 12; ++cut) read(name, std::span(whole).first(whole.size() * cut / 12));
    for (size_t i = 0; i < 24; ++i) {
      std::vector<uint8_t> bytes = whole;
      bytes[(i * 7919 + 12) % bytes.size()] ^= static_cast<uint8_t>(1u << (i % 8));
      read(name, bytes);
    }
  }
}

TEST(VideoFileWithoutFfmpeg, IsOneSentence) {
  if (can_read_video_files()) GTEST_SKIP() << "built with FFmpeg's libraries";
  const Status status = VideoFile::open(kGoldens + "one_frame.mp4").status();
  EXPECT_EQ(status.code(), StatusCode::unsupported);
  EXPECT_THAT(status.message(), HasSubstr("extract frames first"));
}

}  // namespace
}  // namespace azimuth::media
