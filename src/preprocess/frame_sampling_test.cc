// The frames that each class chooses, against transformers' (tests/oracle/video_goldens.py).
#include "preprocess/frame_sampling.h"

#include <gmock/gmock.h>

#include <fstream>
#include <nlohmann/json.hpp>

namespace azimuth::preprocess {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

FrameSampling sampling_of(const std::string& processor) {
  if (processor == "Qwen3VLVideoProcessor") return FrameSampling::even_rounded;
  if (processor == "Qwen2VLVideoProcessor") return FrameSampling::whole_patches;
  if (processor == "InternVLVideoProcessor") return FrameSampling::middles;
  if (processor == "SmolVLMVideoProcessor") return FrameSampling::without_ends;
  return FrameSampling::even_floor;
}

VideoProcessorSpec spec_of(const nlohmann::json& row, FrameSampling sampling) {
  VideoProcessorSpec spec;
  spec.sampling = sampling;
  spec.fps.reset();
  if (row.contains("sample_fps")) spec.fps = row["sample_fps"];
  if (row.contains("num_frames")) spec.num_frames = row["num_frames"];
  spec.min_frames = row.value("min_frames", spec.min_frames);
  spec.max_frames = row.value("max_frames", spec.max_frames);
  spec.frame.temporal_patch_size = row.value("temporal_patch_size", int64_t{2});
  if (!row.contains("initial_shift")) return spec;
  if (!row["initial_shift"].is_boolean()) spec.initial_shift = row["initial_shift"];
  if (row["initial_shift"] == false) spec.initial_shift = 0.0;
  return spec;
}

media::VideoMetadata clip_of(int64_t frames, std::optional<double> fps) {
  media::VideoMetadata metadata;
  metadata.total_num_frames = frames;
  metadata.fps = fps;
  if (fps) metadata.duration = static_cast<double>(frames) / *fps;
  return metadata;
}

TEST(FrameSampling, EqualsTransformers) {
  std::ifstream file(AZIMUTH_SOURCE_DIR "/tests/golden/video/sampling.json");
  const nlohmann::json table = nlohmann::json::parse(file);
  for (const auto& [processor, rows] : table.items()) {
    for (const nlohmann::json& row : rows) {
      SCOPED_TRACE(processor + ": " + row.dump());
      std::optional<double> fps;
      if (!row["fps"].is_null()) fps = row["fps"];
      const auto indices = sample_frames(clip_of(row["total"], fps), spec_of(row, sampling_of(processor)));
      if (row["indices"].is_null()) {
        EXPECT_FALSE(indices.ok());
        EXPECT_FALSE(indices.status().message().empty());
      } else {
        ASSERT_TRUE(indices.ok()) << indices.status().message();
        EXPECT_EQ(nlohmann::json(*indices), row["indices"]);
      }
    }
  }
}

TEST(FrameSampling, EverythingIsKeptWithoutSampling) {
  VideoProcessorSpec spec;
  spec.do_sample_frames = false;
  EXPECT_THAT(*choose_frames(clip_of(4, 30.0), spec, false), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(*choose_frames(clip_of(4, 30.0), spec, true), ElementsAre(0, 1, 2, 3));
  spec.samples_files = true;
  spec.num_frames = 2;
  EXPECT_THAT(*choose_frames(clip_of(4, 30.0), spec, false), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(*choose_frames(clip_of(4, 30.0), spec, true), ElementsAre(0, 3));
}

TEST(FrameSampling, MistakesAreOneSentence) {
  VideoProcessorSpec spec;
  spec.fps = 2.0;
  for (const FrameSampling sampling :
       {FrameSampling::even_floor, FrameSampling::whole_patches, FrameSampling::middles, FrameSampling::without_ends}) {
    spec.sampling = sampling;
    EXPECT_THAT(sample_frames(clip_of(9, {}), spec).status().message(), HasSubstr("whose fps is unknown"));
  }
  spec.sampling = FrameSampling::even_floor;
  spec.num_frames = 10;
  EXPECT_THAT(sample_frames(clip_of(9, 30.0), spec).status().message(),
              HasSubstr("1 to 9 sampled frames were expected of a video of 9 frames, found 10"));
  EXPECT_THAT(sample_frames(clip_of(0, 30.0), spec).status().message(), HasSubstr("at least one frame"));
  spec.sampling = FrameSampling::middles;
  spec.num_frames = 3;
  spec.initial_shift = 9.0;
  EXPECT_THAT(sample_frames(clip_of(9, 30.0), spec).status().message(), HasSubstr("initial_shift below"));
  spec.num_frames.reset();
  spec.fps.reset();
  EXPECT_THAT(sample_frames(clip_of(9, 30.0), spec).status().message(), HasSubstr("num_frames or fps"));
  spec.sampling = FrameSampling::without_ends;
  spec.num_frames = 3;
  EXPECT_THAT(sample_frames(clip_of(9, 30.0), spec).status().message(), HasSubstr("num_frames and fps"));
}

}  // namespace
}  // namespace azimuth::preprocess
