// Processors of the Qwen-VL line. Sources: transformers, image_processing_qwen2_vl.py, video_processing_qwen2_vl.py,
// video_processing_qwen3_vl.py.
#include "models/processors/keys.h"
#include "models/processors/processor_class.h"

namespace azimuth::models {
namespace {

ImageProcessorSpec image_defaults() {
  ImageProcessorSpec spec;
  spec.mean = kClipMean;
  spec.std = kClipStd;
  return spec;
}

VideoProcessorSpec qwen2_video_defaults() {
  VideoProcessorSpec spec;
  spec.frame = image_defaults();
  spec.frame.min_pixels = 128 * 28 * 28;
  spec.frame.max_pixels = 28 * 28 * 768;
  spec.budget = VideoBudget::per_frame;
  spec.sampling = FrameSampling::whole_patches;
  spec.do_sample_frames = false;
  spec.fps.reset();
  spec.max_video_tokens = 128000;
  return spec;
}

VideoProcessorSpec qwen3_video_defaults() {
  VideoProcessorSpec spec;
  spec.frame.mean = kHalf;
  spec.frame.std = kHalf;
  spec.frame.patch_size = 16;
  spec.frame.min_pixels = 128 * 32 * 32;
  spec.frame.max_pixels = 32 * 32 * 768;
  return spec;
}

Status read_image(const JsonView& json, ImageProcessorSpec& spec) {
  return read_area_keys(json, true, spec);
}

Status read_frame_limits(const JsonView& json, VideoProcessorSpec& spec) {
  AZ_RETURN_IF_ERROR(read_count(json, "min_frames", kMaxFrames, spec.min_frames));
  AZ_RETURN_IF_ERROR(read_count(json, "max_frames", kMaxFrames, spec.max_frames));
  AZ_RETURN_IF_ERROR(read_count(json, "max_video_tokens", kMaxTokens, spec.max_video_tokens));
  return read_flag(json, "cap_pixels_per_frame", spec.cap_pixels_per_frame);
}

Status read_qwen2_video(const JsonView& json, VideoProcessorSpec& spec) {
  AZ_RETURN_IF_ERROR(read_area_keys(json, true, spec.frame));
  return read_frame_limits(json, spec);
}

Status read_qwen3_video(const JsonView& json, VideoProcessorSpec& spec) {
  AZ_RETURN_IF_ERROR(read_area_keys(json, false, spec.frame));
  return read_frame_limits(json, spec);
}

}  // namespace

ImageProcessorClass qwen2_vl_image_processor() {
  return {"Qwen2VLImageProcessor",
          image_defaults,
          read_image,
          {"size", "patch_size", "merge_size", "temporal_patch_size", "min_pixels", "max_pixels"}};
}

VideoProcessorClass qwen2_vl_video_processor() {
  return {"Qwen2VLVideoProcessor",
          qwen2_video_defaults,
          read_qwen2_video,
          {"size", "patch_size", "merge_size", "temporal_patch_size", "min_pixels", "max_pixels", "min_frames",
           "max_frames", "max_video_tokens", "cap_pixels_per_frame"}};
}

VideoProcessorClass qwen3_vl_video_processor() {
  return {"Qwen3VLVideoProcessor",
          qwen3_video_defaults,
          read_qwen3_video,
          {"size", "patch_size", "merge_size", "temporal_patch_size", "min_frames", "max_frames", "max_video_tokens",
           "cap_pixels_per_frame"}};
}

}  // namespace azimuth::models
