#include "models/processor_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

namespace azimuth::models {
namespace {

using nlohmann::json;
using testing::HasSubstr;

std::optional<std::string> text_of(const json& files, const char* name) {
  return files.contains(name) ? std::optional(files[name].dump()) : std::nullopt;
}

ProcessorFiles files_of(const json& files) {
  return {text_of(files, "processor_config.json"), text_of(files, "preprocessor_config.json"),
          text_of(files, "video_preprocessor_config.json")};
}

int pillow_code(ResampleFilter filter) {
  if (filter == ResampleFilter::lanczos) return 1;
  return filter == ResampleFilter::bilinear ? 2 : 3;
}

// transformers keeps a single number for all channels as such.
json channels(const std::array<double, 3>& values, const json& expected) {
  return expected.is_number() ? json(values[0]) : json(values);
}

json as_arguments(const ImageProcessorSpec& spec, const json& expected) {
  return {{"do_resize", spec.do_resize},
          {"do_rescale", spec.do_rescale},
          {"do_normalize", spec.do_normalize},
          {"rescale_factor", spec.rescale_factor},
          {"image_mean", channels(spec.mean, expected["image_mean"])},
          {"image_std", channels(spec.std, expected["image_std"])},
          {"resample", pillow_code(spec.resample)},
          {"patch_size", spec.patch_size},
          {"merge_size", spec.merge_size},
          {"temporal_patch_size", spec.temporal_patch_size},
          {"size", {spec.min_pixels, spec.max_pixels}}};
}

// transformers writes None where it means false.
json with_flags(json arguments) {
  for (const char* key : {"do_resize", "do_rescale", "do_normalize"}) {
    if (arguments[key].is_null()) arguments[key] = false;
  }
  return arguments;
}

void expect_video(const json& item, const VideoProcessorSpec& video) {
  json arguments = as_arguments(video.frame, item["video"]);
  arguments["cap_pixels_per_frame"] = video.cap_pixels_per_frame;
  EXPECT_EQ(arguments, with_flags(item["video"]));
  EXPECT_EQ(video.do_sample_frames, item["frames"]["do_sample_frames"]);
  EXPECT_EQ(video.min_frames, item["limits"]["min_frames"]);
  EXPECT_EQ(video.max_frames, item["limits"]["max_frames"]);
  EXPECT_EQ(video.max_video_tokens, item["limits"]["max_video_tokens"]);
  EXPECT_EQ(video.budget == VideoBudget::whole_video, item["video_class"] == "Qwen3VLVideoProcessor");
  if (!video.do_sample_frames) return;
  const json frames = item["frames"];
  EXPECT_EQ(video.num_frames ? json(*video.num_frames) : json(), frames["num_frames"]);
  if (video.num_frames) return;  // wins over the fps of the file, which stays where it is
  EXPECT_EQ(video.fps ? json(*video.fps) : json(), frames["fps"]);
}

// Files and arguments reach the processors with the values that transformers passes to its own.
TEST(ProcessorConfig, EqualsTransformers) {
  std::ifstream file(AZIMUTH_SOURCE_DIR "/tests/golden/preprocess/config.json");
  const json cases = json::parse(file);
  ASSERT_GT(cases.size(), 25u);
  for (const json& item : cases) {
    SCOPED_TRACE(item.dump());
    Result<ProcessorSpecs> specs = read_processor_specs(files_of(item["files"]), item["model_type"].get<std::string>());
    ASSERT_TRUE(specs.ok()) << specs.status().message();
    const Result<std::vector<std::string>> unknown = apply_processor_kwargs(*specs, item["kwargs"]);
    ASSERT_TRUE(unknown.ok()) << unknown.status().message();
    EXPECT_TRUE(unknown->empty());
    EXPECT_EQ(as_arguments(specs->image, item["image"]), with_flags(item["image"]));
    expect_video(item, specs->video);
  }
}

ProcessorSpecs defaults() {
  return *read_processor_specs({}, "qwen3_vl");
}

TEST(ProcessorConfig, PilClassesMeanPillowArithmetic) {
  ProcessorFiles files;
  files.preprocessor_config = R"({"image_processor_type": "Qwen2VLImageProcessorPil"})";
  EXPECT_EQ(read_processor_specs(files, "qwen3_vl")->image.arithmetic, PixelArithmetic::pillow);
  files.preprocessor_config = R"({"image_processor_type": "Qwen2VLImageProcessor"})";
  EXPECT_EQ(read_processor_specs(files, "qwen3_vl")->image.arithmetic, PixelArithmetic::torchvision);
}

TEST(ProcessorConfig, RefusesWrongFiles) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"patch_size": 0})", "preprocessor_config.json: patch_size expected"},
      {R"({"patch_size": 1000000000})", "patch_size"},
      {R"({"patch_size": "14"})", "patch_size"},
      {R"({"patch_size": 14.5})", "patch_size"},
      {R"({"merge_size": -2})", "merge_size"},
      {R"({"temporal_patch_size": []})", "temporal_patch_size"},
      {R"({"size": 224})", "size"},
      {R"({"size": {"shortest_edge": 5}})", "shortest_edge and longest_edge"},
      {R"({"size": {"height": 224, "width": 224}})", "shortest_edge and longest_edge"},
      {R"({"max_pixels": 1e300})", "max_pixels"},
      {R"({"rescale_factor": 0})", "rescale_factor"},
      {R"({"rescale_factor": NaN})", "rescale_factor"},
      {R"({"image_std": [1, 0, 1]})", "numbers other than 0"},
      {R"({"image_std": [1e-60, 1, 1]})", "numbers other than 0"},
      {R"({"image_mean": [1, 2]})", "1 or 3 numbers"},
      {R"({"do_resize": "yes"})", "do_resize"},
      {R"({"resample": 0})", "3 (bicubic)"},
      {R"({"image_processor_type": "FuyuImageProcessor"})", "expected one of "},
      {R"({"image_processor_type": 7})", "image_processor_type"},
      {R"([1, 2])", "preprocessor_config.json"},
      {R"({"patch_size": )", "preprocessor_config.json"},
  };
  for (const auto& [text, words] : cases) {
    ProcessorFiles files;
    files.preprocessor_config = text;
    const Result<ProcessorSpecs> specs = read_processor_specs(files, "qwen3_vl");
    ASSERT_FALSE(specs.ok()) << text;
    EXPECT_THAT(specs.status().message(), HasSubstr(words)) << text;
  }
}

TEST(ProcessorConfig, SizesInPixelsReplaceThoseOfTheClass) {
  ProcessorFiles files;
  files.preprocessor_config = R"({"image_processor_type": "CLIPImageProcessorPil", "size": 20, "crop_size": 18})";
  const Result<ProcessorSpecs> numbers = read_processor_specs(files, "llava");
  ASSERT_TRUE(numbers.ok()) << numbers.status().message();
  EXPECT_EQ(numbers->image.shortest_edge, 20);
  EXPECT_EQ(numbers->image.crop_width, 18);
  EXPECT_EQ(numbers->image.arithmetic, PixelArithmetic::pillow);
  files.preprocessor_config =
      R"({"image_processor_type": "LlavaNextImageProcessor", "size": {"height": 12, "width": 14},
                                  "crop_size": null, "do_center_crop": null, "image_grid_pinpoints": [[12, 28]]})";
  const Result<ProcessorSpecs> objects = read_processor_specs(files, "llava_next");
  ASSERT_TRUE(objects.ok()) << objects.status().message();
  EXPECT_EQ(objects->image.shortest_edge, 0);
  EXPECT_EQ(objects->image.width, 14);
  EXPECT_FALSE(objects->image.do_center_crop);
  ASSERT_EQ(objects->image.pinpoints.size(), 1u);
  EXPECT_EQ(objects->image.pinpoints[0][1], 28);
  for (const auto& [text, words] : std::vector<std::pair<const char*, const char*>>{
           {R"({"size": {"longest_edge": 3}})", "height and width, or with shortest_edge"},
           {R"({"crop_size": null})", "crop_size with height and width beside do_center_crop"},
           {R"({"image_grid_pinpoints": [[1, 2, 3]]})", "a pair of height and width"},
           {R"({"image_grid_pinpoints": []})", "1 to 4096 pairs"}}) {
    files.preprocessor_config = text;
    const Result<ProcessorSpecs> wrong = read_processor_specs(files, "llava_next");
    ASSERT_FALSE(wrong.ok()) << text;
    EXPECT_THAT(wrong.status().message(), HasSubstr(words)) << text;
  }
}

TEST(ProcessorConfig, UnknownModelNeedsClassesInItsFiles) {
  EXPECT_EQ(read_processor_specs({}, "mystery").status().code(), StatusCode::unsupported);
  ProcessorFiles files;
  files.processor_config = R"({"image_processor": {"image_processor_type": "Qwen2VLImageProcessor"},
                               "video_processor": {"video_processor_type": "Qwen3VLVideoProcessor"}})";
  EXPECT_TRUE(read_processor_specs(files, "mystery").ok());
}

TEST(ProcessorKwargs, NumFramesReplacesTheFilesRate) {
  ProcessorSpecs specs = defaults();
  ASSERT_TRUE(apply_processor_kwargs(specs, {{"num_frames", 6}}).ok());
  EXPECT_EQ(specs.video.num_frames, 6);
  EXPECT_TRUE(specs.video.do_sample_frames);
}

TEST(ProcessorKwargs, AskingForFramesTurnsSamplingOn) {
  ProcessorSpecs specs = *read_processor_specs({}, "qwen2_vl");
  EXPECT_FALSE(specs.video.do_sample_frames);
  ASSERT_TRUE(apply_processor_kwargs(specs, {{"fps", 1}}).ok());
  EXPECT_TRUE(specs.video.do_sample_frames);
}

TEST(ProcessorKwargs, ReportsKeysThatNothingKnows) {
  ProcessorSpecs specs = defaults();
  const json kwargs = {
      {"colour", 1}, {"images_kwargs", {{"fps", 2}}}, {"videos_kwargs", {{"min_pixels", 5}, {"shape", 1}}}};
  const Result<std::vector<std::string>> unknown = apply_processor_kwargs(specs, kwargs);
  ASSERT_TRUE(unknown.ok());
  EXPECT_THAT(*unknown,
              testing::ElementsAre("colour", "images_kwargs.fps", "videos_kwargs.min_pixels", "videos_kwargs.shape"));
  EXPECT_TRUE(apply_processor_kwargs(specs, nullptr)->empty());
}

TEST(ProcessorKwargs, FailuresChangeNothing) {
  const json bad[] = {{{"min_pixels", 5}, {"patch_size", 0}},
                      {{"min_pixels", 5}, {"fps", 2}, {"num_frames", 4}},
                      {{"min_pixels", 5}, {"images_kwargs", {{"min_pixels", 6}}}},
                      {{"min_pixels", 5}, {"images_kwargs", 3}},
                      {{"min_pixels", 5}, {"fps", -1}},
                      {{"min_pixels", 5}, {"max_frames", "many"}},
                      json::array({1})};
  for (const json& kwargs : bad) {
    ProcessorSpecs specs = defaults();
    const Result<std::vector<std::string>> result = apply_processor_kwargs(specs, kwargs);
    ASSERT_FALSE(result.ok()) << kwargs;
    EXPECT_EQ(result.status().code(), StatusCode::invalid_argument);
    EXPECT_EQ(specs.image.min_pixels, defaults().image.min_pixels);
  }
}

// Gemma3Processor has defaults of its own, which override what the files say of crops.
TEST(ProcessorKwargs, OnlyCallsSwitchPanAndScanOn) {
  const json file = {{"image_processor_type", "Gemma3ImageProcessor"},
                     {"do_pan_and_scan", true},
                     {"pan_and_scan_min_crop_size", 3},
                     {"size", {{"height", 896}, {"width", 896}}}};
  Result<ProcessorSpecs> specs = read_processor_specs(files_of({{"preprocessor_config.json", file}}), "gemma3");
  ASSERT_TRUE(specs.ok()) << specs.status().message();
  EXPECT_EQ(specs->image.height, 896);
  EXPECT_FALSE(specs->image.divides);
  EXPECT_EQ(specs->image.min_crop_size, 256);
  const json kwargs = {{"images_kwargs", {{"do_pan_and_scan", true}, {"pan_and_scan_max_num_crops", 6}}}};
  const Result<std::vector<std::string>> unknown = apply_processor_kwargs(*specs, kwargs);
  ASSERT_TRUE(unknown.ok()) << unknown.status().message();
  EXPECT_TRUE(unknown->empty());
  EXPECT_TRUE(specs->image.divides);
  EXPECT_EQ(specs->image.max_crops, 6);
}

TEST(ProcessorKwargs, PanAndScanWantsSidesInPixels) {
  const json file = {{"image_processor_type", "Gemma3ImageProcessor"}, {"size", {{"shortest_edge", 896}}}};
  const Result<ProcessorSpecs> specs = read_processor_specs(files_of({{"preprocessor_config.json", file}}), "gemma3");
  EXPECT_EQ(specs.status().code(), StatusCode::invalid_argument);
  EXPECT_THAT(specs.status().message(), HasSubstr("height"));
}

Result<ProcessorSpecs> specs_of_video(const json& video, std::string_view model_type) {
  return read_processor_specs(files_of({{"video_preprocessor_config.json", video}}), model_type);
}

TEST(ProcessorConfig, ShiftOfSampledFramesIsAFlagOrANumber) {
  const auto shift = [](const json& value) {
    const json file = {{"video_processor_type", "InternVLVideoProcessor"}, {"initial_shift", value}};
    const Result<ProcessorSpecs> specs = specs_of_video(file, "internvl");
    EXPECT_TRUE(specs.ok()) << specs.status().message();
    return specs.ok() ? specs->video.initial_shift : std::optional(-1.0);
  };
  EXPECT_EQ(shift(true), std::nullopt);  // half a step
  EXPECT_EQ(shift(nullptr), std::nullopt);
  EXPECT_EQ(shift(false), 0.0);
  EXPECT_EQ(shift(2), 2.0);
  EXPECT_EQ(shift(0.25), 0.25);
  const json wrong = {{"video_processor_type", "InternVLVideoProcessor"}, {"initial_shift", "half"}};
  EXPECT_THAT(specs_of_video(wrong, "internvl").status().message(), HasSubstr("initial_shift"));
}

TEST(ProcessorKwargs, SomeClassesTakeRateAndCountOfFrames) {
  const json both = {{"fps", 1}, {"num_frames", 8}};
  for (const char* processor : {"InternVLVideoProcessor", "SmolVLMVideoProcessor"}) {
    Result<ProcessorSpecs> specs = specs_of_video({{"video_processor_type", processor}}, "internvl");
    ASSERT_TRUE(specs.ok()) << specs.status().message();
    ASSERT_TRUE(apply_processor_kwargs(*specs, both).ok());
    EXPECT_EQ(specs->video.fps, 1.0);
    EXPECT_EQ(specs->video.num_frames, 8);
    EXPECT_TRUE(specs->video.do_sample_frames);
  }
  for (const char* processor : {"Qwen2VLVideoProcessor", "Qwen3VLVideoProcessor", "LlavaOnevisionVideoProcessor"}) {
    Result<ProcessorSpecs> specs = specs_of_video({{"video_processor_type", processor}}, "internvl");
    ASSERT_TRUE(specs.ok()) << specs.status().message();
    EXPECT_THAT(apply_processor_kwargs(*specs, both).status().message(),
                HasSubstr("at most one of fps and num_frames"));
  }
}

TEST(ProcessorKwargs, ACallDecidesWhetherFilesAreSampled) {
  Result<ProcessorSpecs> specs = specs_of_video({{"video_processor_type", "SmolVLMVideoProcessor"}}, "smolvlm");
  ASSERT_TRUE(specs.ok()) << specs.status().message();
  EXPECT_TRUE(specs->video.samples_files);
  ASSERT_TRUE(apply_processor_kwargs(*specs, {{"do_sample_frames", false}}).ok());
  EXPECT_FALSE(specs->video.samples_files || specs->video.do_sample_frames);
}

}  // namespace
}  // namespace azimuth::models
