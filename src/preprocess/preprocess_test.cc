#include "preprocess/preprocess.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "preprocess/frame_sampling.h"
#include "support/golden_pixels.h"

namespace azimuth::preprocess {
namespace {

const std::string kGoldens = AZIMUTH_SOURCE_DIR "/tests/golden/";

nlohmann::json goldens(const std::string& name) {
  std::ifstream file(kGoldens + "preprocess/" + name);
  return nlohmann::json::parse(file);
}

ResampleFilter filter_of(int pillow_code) {
  if (pillow_code == 1) return ResampleFilter::lanczos;
  return pillow_code == 2 ? ResampleFilter::bilinear : ResampleFilter::bicubic;
}

// The keys that the golden script uses, over the defaults of the classes (models/processor_config has its own test).
void apply(const nlohmann::json& config, ImageProcessorSpec& spec) {
  spec.patch_size = config.value("patch_size", spec.patch_size);
  spec.merge_size = config.value("merge_size", spec.merge_size);
  spec.temporal_patch_size = config.value("temporal_patch_size", spec.temporal_patch_size);
  spec.min_pixels = config["size"]["shortest_edge"];
  spec.max_pixels = config["size"]["longest_edge"];
  spec.do_resize = config.value("do_resize", true);
  spec.do_rescale = config.value("do_rescale", true);
  spec.do_normalize = config.value("do_normalize", true);
  spec.rescale_factor = config.value("rescale_factor", spec.rescale_factor);
  spec.mean = config.value("image_mean", spec.mean);
  spec.std = config.value("image_std", spec.std);
  spec.resample = filter_of(config.value("resample", 3));
}

ImageProcessorSpec picture_spec(const nlohmann::json& item) {
  ImageProcessorSpec spec;
  spec.mean = {0.48145466, 0.4578275, 0.40821073};
  spec.std = {0.26862954, 0.26130258, 0.27577711};
  if (item["class"] == "Qwen2VLImageProcessorPil") spec.arithmetic = PixelArithmetic::pillow;
  apply(item["config"], spec);
  return spec;
}

VideoProcessorSpec video_spec(const nlohmann::json& item) {
  VideoProcessorSpec spec;
  if (item["class"] == "Qwen2VLVideoProcessor") {
    spec.frame.mean = {0.48145466, 0.4578275, 0.40821073};
    spec.frame.std = {0.26862954, 0.26130258, 0.27577711};
    spec.budget = VideoBudget::per_frame;
  } else {
    spec.frame.mean = spec.frame.std = {0.5, 0.5, 0.5};
    spec.frame.patch_size = 16;
  }
  const nlohmann::json& config = item["config"];
  apply(config, spec.frame);
  spec.min_frames = config.value("min_frames", spec.min_frames);
  spec.max_frames = config.value("max_frames", spec.max_frames);
  spec.cap_pixels_per_frame = config.value("cap_pixels_per_frame", false);
  spec.max_video_tokens = config.value("max_video_tokens", spec.max_video_tokens);
  const nlohmann::json& kwargs = item["kwargs"];
  spec.do_sample_frames = kwargs.value("do_sample_frames", true);
  if (kwargs.contains("fps") && !kwargs["fps"].is_null()) spec.fps = kwargs["fps"];
  if (kwargs.contains("num_frames")) spec.num_frames = kwargs["num_frames"];
  return spec;
}

Result<media::Image> source_of(const nlohmann::json& source) {
  if (source.is_string()) return media::load_image(kGoldens + "media/" + source.get<std::string>());
  return golden::noise(source[0], source[1], source[2]);
}

media::VideoFrames video_of(const nlohmann::json& video) {
  std::vector<media::Image> frames;
  for (int i = 0; i < video["frames"].get<int>(); ++i)
    frames.push_back(golden::noise(i, video["width"], video["height"]));
  std::optional<double> fps;
  if (video.contains("fps") && !video["fps"].is_null()) fps = video["fps"];
  return media::whole_clip(std::move(frames), fps);
}

void expect_patches(const nlohmann::json& item, const Patches& patches) {
  EXPECT_EQ(nlohmann::json({patches.grid.t, patches.grid.h, patches.grid.w}), item["grid"]);
  ASSERT_EQ(nlohmann::json({patches.pixels.shape()[0], patches.pixels.shape()[1]}), item["shape"]);
  for (int i = 0; i < 6; ++i) EXPECT_EQ(patches.pixels.data()[i], item["first"][i].get<float>());
  const auto bytes = std::as_bytes(std::span(patches.pixels.data(), patches.pixels.elements()));
  EXPECT_EQ(golden::crc32({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}), item["crc32"]);
}

// Bit-equal, at every configuration and in both arithmetics.
TEST(Preprocess, PictureAndVideoPixelsEqualTransformers) {
  ThreadPool pool(2);
  const nlohmann::json cases = goldens("pixels.json");
  int pictures = 0;
  int videos = 0;
  for (const nlohmann::json& item : cases) {
    SCOPED_TRACE(item.dump());
    if (item.contains("source")) {
      const Result<media::Image> image = source_of(item["source"]);
      ASSERT_TRUE(image.ok());
      const Result<MediaPixels> patches = preprocess_image(*image, picture_spec(item), pool);
      ASSERT_TRUE(patches.ok()) << patches.status().message();
      expect_patches(item, patches->tiles[0]);
      ++pictures;
    } else {
      const Result<VideoPixels> video = preprocess_video(video_of(item["video"]), video_spec(item), pool);
      ASSERT_TRUE(video.ok()) << video.status().message();
      expect_patches(item, video->media.tiles[0]);
      if (item.contains("frames_indices")) {
        EXPECT_EQ(nlohmann::json(video->metadata.frames_indices), item["frames_indices"]);
      }
      ++videos;
    }
  }
  EXPECT_GT(pictures, 70);
  EXPECT_GT(videos, 15);
}

TEST(SampleFrames, EqualsTransformers) {
  const nlohmann::json cases = goldens("sampling.json");
  ASSERT_GT(cases.size(), 100u);
  for (const nlohmann::json& item : cases) {
    VideoProcessorSpec spec;
    spec.fps.reset();
    if (item.contains("fps")) spec.fps = item["fps"];
    if (item.contains("num_frames")) spec.num_frames = item["num_frames"];
    spec.min_frames = item["min_frames"];
    spec.max_frames = item["max_frames"];
    media::VideoMetadata metadata;
    metadata.total_num_frames = item["total"];
    if (!item["clip_fps"].is_null()) metadata.fps = item["clip_fps"];
    const Result<std::vector<int64_t>> indices = sample_frames(metadata, spec);
    ASSERT_TRUE(indices.ok());
    EXPECT_EQ(nlohmann::json(*indices), item["indices"]) << item.dump();
  }
}

ImageProcessorSpec small_spec() {
  ImageProcessorSpec spec;
  spec.patch_size = 2;
  spec.merge_size = 2;
  spec.temporal_patch_size = 2;
  spec.do_resize = spec.do_rescale = spec.do_normalize = false;
  return spec;
}

// A picture of 8 x 4 pixels, patches of 2 x 2, merged 2 x 2: row and column of each value are written out here.
TEST(Patchify, FollowsMergeBlocksThenChannelFrameRowColumn) {
  ThreadPool pool(1);
  const media::Image image = golden::noise(3, 8, 4);
  const Result<Patches> patches = patchify(std::array{&image}, small_spec(), pool);
  ASSERT_TRUE(patches.ok());
  EXPECT_EQ(patches->grid, (Grid{1, 2, 4}));
  const int patch_of_row[8][2] = {{0, 0}, {0, 1}, {1, 0}, {1, 1}, {0, 2}, {0, 3}, {1, 2}, {1, 3}};  // y, x
  for (int row = 0; row < 8; ++row) {
    const float* value = patches->pixels.row(row);
    for (int channel = 0; channel < 3; ++channel) {
      for (int frame = 0; frame < 2; ++frame) {
        for (int y = 0; y < 2; ++y) {
          for (int x = 0; x < 2; ++x) {
            const int image_y = 2 * patch_of_row[row][0] + y;
            const int image_x = 2 * patch_of_row[row][1] + x;
            EXPECT_EQ(*value++, image.rgb[3 * (8 * image_y + image_x) + channel]);
          }
        }
      }
    }
  }
}

TEST(PreprocessVideo, KeepsFramesThatWereChosenBefore) {
  ThreadPool pool(1);
  media::VideoFrames video = video_of({{"frames", 4}, {"width", 32}, {"height", 32}, {"fps", 30}});
  video.sampled = true;
  video.metadata.total_num_frames = 120;
  video.metadata.frames_indices = {0, 40, 80, 119};
  VideoProcessorSpec spec;
  spec.frame.min_pixels = 1024;
  spec.frame.max_pixels = 8192;
  const Result<VideoPixels> patches = preprocess_video(video, spec, pool);
  ASSERT_TRUE(patches.ok());
  EXPECT_EQ(patches->media.tiles[0].grid.t, 2);
  EXPECT_EQ(patches->metadata.frames_indices, (std::vector<int64_t>{0, 40, 80, 119}));
}

TEST(PreprocessVideo, RefusesWhatIsNoVideo) {
  ThreadPool pool(1);
  const auto status_of = [&](const media::VideoFrames& video, const VideoProcessorSpec& spec) {
    return preprocess_video(video, spec, pool).status();
  };
  const VideoProcessorSpec spec;
  EXPECT_THAT(status_of({}, spec).message(), testing::HasSubstr("at least one frame was expected"));
  EXPECT_THAT(status_of(video_of({{"frames", 1}, {"width", 32}, {"height", 32}}), spec).message(),
              testing::HasSubstr("at least 2 frames was expected, found 1"));
  media::VideoFrames mixed = video_of({{"frames", 2}, {"width", 32}, {"height", 32}});
  mixed.frames[1] = golden::noise(1, 31, 32);
  EXPECT_THAT(status_of(mixed, spec).message(), testing::HasSubstr("32 x 32 and 31 x 32"));
  media::VideoFrames short_of_frames = video_of({{"frames", 3}, {"width", 32}, {"height", 32}});
  short_of_frames.metadata.total_num_frames = 1'000'000'000;
  EXPECT_THAT(status_of(short_of_frames, spec).message(), testing::HasSubstr("its 3 frames"));
  media::VideoFrames frozen = video_of({{"frames", 3}, {"width", 32}, {"height", 32}, {"fps", 0.0}});
  EXPECT_THAT(status_of(frozen, spec).message(), testing::HasSubstr("fps was expected to be above 0"));
}

TEST(PreprocessImage, RefusesWhatCannotBeCut) {
  ThreadPool pool(1);
  ImageProcessorSpec spec;
  spec.do_resize = false;
  const Status uneven = preprocess_image(golden::noise(1, 30, 28), spec, pool).status();
  EXPECT_THAT(uneven.message(),
              testing::HasSubstr("multiples of 28 (patch_size * merge_size) were expected, found 30 x 28"));
  spec.do_resize = true;
  EXPECT_FALSE(preprocess_image(golden::noise(1, 1, 20000), spec, pool).ok());
  EXPECT_FALSE(preprocess_image({}, spec, pool).ok());
  spec.min_pixels = spec.max_pixels = int64_t{1} << 40;
  const Status huge = preprocess_image(golden::noise(1, 10, 10), spec, pool).status();
  EXPECT_EQ(huge.code(), StatusCode::resource_exhausted);
  EXPECT_THAT(huge.message(), testing::HasSubstr(std::to_string(kMaxResizedPixels)));
}

TEST(PreprocessImage, ThreadsDoNotChangeABit) {
  ThreadPool one(1);
  ThreadPool many(3);
  const ImageProcessorSpec spec;
  const media::Image image = golden::noise(1, 200, 150);
  const Result<MediaPixels> a = preprocess_image(image, spec, one);
  const Result<MediaPixels> b = preprocess_image(image, spec, many);
  ASSERT_TRUE(a.ok() && b.ok());
  const Tensor& pixels = a->tiles[0].pixels;
  EXPECT_TRUE(std::equal(pixels.data(), pixels.data() + pixels.elements(), b->tiles[0].pixels.data()));
}

// Planes that a tower cuts hold the same numbers as patches that the processor cuts, in either order of the patches.
TEST(PatchRows, EqualPatchifyBothWays) {
  ThreadPool pool(2);
  const media::Image image = golden::noise(3, 12, 8);
  ImageProcessorSpec spec = small_spec();
  spec.temporal_patch_size = 1;
  for (const int64_t merge : {1, 2}) {
    spec.merge_size = merge;
    const Result<Patches> cut = patchify(std::array{&image}, spec, pool);
    const Result<Patches> planes = normalize(std::array{&image}, spec, false, pool);
    ASSERT_TRUE(cut.ok() && planes.ok());
    EXPECT_EQ(planes->pixels.shape(), Shape({3, 8, 12}));
    EXPECT_EQ(planes->grid, cut->grid);
    const Tensor rows = patch_rows(*planes, spec.patch_size, merge, pool);
    ASSERT_EQ(rows.shape(), cut->pixels.shape());
    EXPECT_TRUE(std::equal(rows.data(), rows.data() + rows.elements(), cut->pixels.data()));
  }
}

}  // namespace
}  // namespace azimuth::preprocess
