#include "models/processors/processor_class.h"

namespace azimuth::models {

const std::vector<ImageProcessorClass>& image_processor_classes() {
  static const std::vector<ImageProcessorClass> classes = {
      blip_image_processor(),       clip_image_processor(),
      gemma3_image_processor(),     gemma4_image_processor(),
      got_ocr2_image_processor(),   idefics2_image_processor(),
      idefics3_image_processor(),   llava_image_processor(),
      llava_next_image_processor(), llava_onevision_image_processor(),
      mllama_image_processor(),     ovis2_image_processor(),
      qwen2_vl_image_processor(),   siglip_image_processor(),
      smolvlm_image_processor(),
  };
  return classes;
}

const std::vector<VideoProcessorClass>& video_processor_classes() {
  static const std::vector<VideoProcessorClass> classes = {
      gemma4_video_processor(),   internvl_video_processor(), llava_onevision_video_processor(),
      qwen2_vl_video_processor(), qwen3_vl_video_processor(), smolvlm_video_processor(),
  };
  return classes;
}

const std::vector<ModelProcessors>& model_processors() {
  static const std::vector<ModelProcessors> models = {
      {"llava", "LlavaImageProcessor", ""},
      {"llava_next", "LlavaNextImageProcessor", ""},
      {"llava_onevision", "LlavaOnevisionImageProcessor", "LlavaOnevisionVideoProcessor"},
      {"blip-2", "BlipImageProcessor", ""},
      {"mllama", "MllamaImageProcessor", ""},
      {"gemma4", "Gemma4ImageProcessor", "Gemma4VideoProcessor"},
      {"gemma3", "Gemma3ImageProcessor", ""},
      {"paligemma", "SiglipImageProcessor", ""},
      {"idefics2", "Idefics2ImageProcessor", ""},
      {"idefics3", "Idefics3ImageProcessor", ""},
      {"qwen2_vl", "Qwen2VLImageProcessor", "Qwen2VLVideoProcessor"},
      {"qwen2_5_vl", "Qwen2VLImageProcessor", "Qwen2VLVideoProcessor"},
      {"qwen3_vl", "Qwen2VLImageProcessor", "Qwen3VLVideoProcessor"},
      {"qwen3_vl_moe", "Qwen2VLImageProcessor", "Qwen3VLVideoProcessor"},
      {"qwen3_5", "Qwen2VLImageProcessor", "Qwen3VLVideoProcessor"},
      {"qwen3_5_moe", "Qwen2VLImageProcessor", "Qwen3VLVideoProcessor"},
      {"internvl", "GotOcr2ImageProcessor", "InternVLVideoProcessor"},
      {"ovis2", "Ovis2ImageProcessor", ""},
      {"smolvlm", "SmolVLMImageProcessor", "SmolVLMVideoProcessor"},
  };
  return models;
}

}  // namespace azimuth::models
