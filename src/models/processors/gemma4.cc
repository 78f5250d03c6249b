// Processors of Gemma 4. Sources: transformers, image_processing_gemma4.py, video_processing_gemma4.py.
#include "models/processors/keys.h"
#include "models/processors/processor_class.h"

namespace azimuth::models {
namespace {

ImageProcessorSpec image_defaults() {
  ImageProcessorSpec spec;
  spec.scheme = PreprocessScheme::token_budget;
  spec.array = PixelArray::padded_patches;
  spec.do_normalize = false;
  spec.patch_size = 16;
  spec.merge_size = 3;
  spec.temporal_patch_size = 1;
  spec.max_tokens = 280;
  return spec;
}

VideoProcessorSpec video_defaults() {
  VideoProcessorSpec spec;
  spec.frame = image_defaults();
  spec.frame.do_normalize = true;
  spec.frame.max_tokens = 70;
  spec.budget = VideoBudget::per_frame;
  spec.sampling = FrameSampling::even_floor;
  spec.fps.reset();
  spec.num_frames = 32;
  return spec;
}

Status read_image(const JsonView& json, ImageProcessorSpec& spec) {
  AZ_RETURN_IF_ERROR(read_count(json, "patch_size", kMaxPatch, spec.patch_size));
  AZ_RETURN_IF_ERROR(read_count(json, "pooling_kernel_size", kMaxMerge, spec.merge_size));
  return read_count(json, "max_soft_tokens", kMaxTokens, spec.max_tokens);
}

Status read_video(const JsonView& json, VideoProcessorSpec& spec) {
  return read_image(json, spec.frame);
}

}  // namespace

ImageProcessorClass gemma4_image_processor() {
  return {"Gemma4ImageProcessor", image_defaults, read_image, {"patch_size", "pooling_kernel_size", "max_soft_tokens"}};
}

VideoProcessorClass gemma4_video_processor() {
  return {"Gemma4VideoProcessor", video_defaults, read_video, {"patch_size", "pooling_kernel_size", "max_soft_tokens"}};
}

}  // namespace azimuth::models
