// The processor classes of transformers 5.23.0, as data: what each does where a file is silent, and the keys of its
// own. One file of this folder per family of classes.
#pragma once

#include <string_view>
#include <vector>

#include "azimuth/status.h"
#include "base/json.h"
#include "spec/preprocess_spec.h"

namespace azimuth::models {

struct ImageProcessorClass {
  std::string_view name;  // without the endings Fast and Pil
  ImageProcessorSpec (*defaults)();
  // Reads the class's own keys, which are alike in files and in calls; keys.h reads those that all classes share.
  Status (*read)(const JsonView& json, ImageProcessorSpec& spec);
  std::vector<std::string_view> keys;  // that `read` and `read_call` know
  // Reads keys that only calls set, because the model's processor overrides what a file says of them (Gemma 3).
  Status (*read_call)(const JsonView& json, ImageProcessorSpec& spec) = nullptr;
};

struct VideoProcessorClass {
  std::string_view name;
  VideoProcessorSpec (*defaults)();
  Status (*read)(const JsonView& json, VideoProcessorSpec& spec);
  std::vector<std::string_view> keys;
};

// Classes of a model_type whose files name none. An empty name: the family has no such processor.
struct ModelProcessors {
  std::string_view model_type;
  std::string_view image;
  std::string_view video;
};

const std::vector<ImageProcessorClass>& image_processor_classes();
const std::vector<VideoProcessorClass>& video_processor_classes();
const std::vector<ModelProcessors>& model_processors();

// Each is defined in the file of its family.
ImageProcessorClass clip_image_processor();
ImageProcessorClass llava_image_processor();
ImageProcessorClass llava_next_image_processor();
ImageProcessorClass llava_onevision_image_processor();
ImageProcessorClass blip_image_processor();
ImageProcessorClass mllama_image_processor();
ImageProcessorClass gemma3_image_processor();
ImageProcessorClass idefics2_image_processor();
ImageProcessorClass idefics3_image_processor();
ImageProcessorClass smolvlm_image_processor();
ImageProcessorClass qwen2_vl_image_processor();
ImageProcessorClass siglip_image_processor();
VideoProcessorClass llava_onevision_video_processor();
ImageProcessorClass gemma4_image_processor();
VideoProcessorClass gemma4_video_processor();
VideoProcessorClass qwen2_vl_video_processor();
VideoProcessorClass qwen3_vl_video_processor();
VideoProcessorClass internvl_video_processor();
VideoProcessorClass smolvlm_video_processor();
ImageProcessorClass got_ocr2_image_processor();
ImageProcessorClass ovis2_image_processor();

}  // namespace azimuth::models
