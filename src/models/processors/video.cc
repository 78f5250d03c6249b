// Video processors of families whose frames are pictures like any other. Sources: transformers,
// video_processing_internvl.py, video_processing_smolvlm.py.
#include <nlohmann/json.hpp>

#include "models/processors/keys.h"
#include "models/processors/processor_class.h"

namespace azimuth::models {
namespace {

VideoProcessorSpec frames_as_pictures() {
  VideoProcessorSpec spec;
  spec.frame.tower_patches = true;
  spec.frame.temporal_patch_size = 1;
  spec.do_sample_frames = false;
  spec.fps.reset();
  return spec;
}

VideoProcessorSpec internvl_defaults() {
  VideoProcessorSpec spec = frames_as_pictures();
  spec.frame.scheme = PreprocessScheme::fixed;
  spec.frame.array = PixelArray::tiles;
  spec.frame.mean = kClipMean;
  spec.frame.std = kClipStd;
  spec.frame.height = spec.frame.width = 384;
  spec.shares_image_array = true;
  spec.sampling = FrameSampling::middles;
  return spec;
}

// Frames go through the longest edge first, and then to squares of max_image_size.
VideoProcessorSpec smolvlm_defaults() {
  VideoProcessorSpec spec = frames_as_pictures();
  spec.frame.scheme = PreprocessScheme::split;
  spec.frame.array = PixelArray::tiles_per_image;
  spec.frame.resample = ResampleFilter::lanczos;
  spec.frame.mean = kHalf;
  spec.frame.std = kHalf;
  spec.frame.longest_edge = 4 * 364;
  spec.frame.height = spec.frame.width = 364;
  spec.sampling = FrameSampling::without_ends;
  spec.samples_files = true;
  return spec;
}

Status read_sides(const JsonView& json, std::string_view key, ImageProcessorSpec& spec) {
  if (!json.has(key)) return ok_status();
  AZ_ASSIGN_OR_RETURN(const JsonView size, json.object(key));
  AZ_ASSIGN_OR_RETURN(spec.height, size.integer("height", 1, kMaxSide));
  AZ_ASSIGN_OR_RETURN(spec.width, size.integer("width", 1, kMaxSide));
  return ok_status();
}

Status read_longest_edge(const JsonView& json, std::string_view key, int64_t& edge) {
  if (!json.has(key)) return ok_status();
  AZ_ASSIGN_OR_RETURN(const JsonView size, json.object(key));
  AZ_ASSIGN_OR_RETURN(edge, size.integer("longest_edge", 1, kMaxSide));
  return ok_status();
}

// true is half a step, which is also what the class does without the key.
Status read_internvl(const JsonView& json, VideoProcessorSpec& spec) {
  constexpr std::string_view kShift = "initial_shift";
  constexpr double kMostShift = 1e9;
  AZ_RETURN_IF_ERROR(read_sides(json, "size", spec.frame));
  if (!json.has(kShift)) return ok_status();
  AZ_ASSIGN_OR_RETURN(const JsonView shift, json.at(kShift));
  spec.initial_shift.reset();
  if (shift.value().is_boolean()) {
    if (!shift.value().get<bool>()) spec.initial_shift = 0.0;
    return ok_status();
  }
  AZ_ASSIGN_OR_RETURN(spec.initial_shift, json.number(kShift, 0.0, kMostShift));
  return ok_status();
}

// "video_sampling" is how the published files name fps, max_frames and video_size; it wins over all else.
Status read_smolvlm(const JsonView& json, VideoProcessorSpec& spec) {
  AZ_RETURN_IF_ERROR(read_longest_edge(json, "size", spec.frame.longest_edge));
  AZ_RETURN_IF_ERROR(read_longest_edge(json, "max_image_size", spec.frame.height));
  spec.frame.width = spec.frame.height;
  if (!json.has("video_sampling")) return ok_status();
  AZ_ASSIGN_OR_RETURN(const JsonView sampling, json.object("video_sampling"));
  AZ_ASSIGN_OR_RETURN(spec.num_frames, sampling.integer("max_frames", 1, kMaxFrames));
  AZ_ASSIGN_OR_RETURN(spec.fps, sampling.number("fps", 1e-6, 1e6));
  return json.has("size") ? ok_status() : read_longest_edge(sampling, "video_size", spec.frame.longest_edge);
}

}  // namespace

VideoProcessorClass internvl_video_processor() {
  return {"InternVLVideoProcessor", internvl_defaults, read_internvl, {"size", "initial_shift"}};
}

VideoProcessorClass smolvlm_video_processor() {
  return {"SmolVLMVideoProcessor", smolvlm_defaults, read_smolvlm, {"size", "max_image_size", "video_sampling"}};
}

}  // namespace azimuth::models
