// Video processors of families whose frames are pictures like any other. Source: transformers,
// video_processing_internvl.py.
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

Status read_sides(const JsonView& json, std::string_view key, ImageProcessorSpec& spec) {
  if (!json.has(key)) return ok_status();
  AZ_ASSIGN_OR_RETURN(const JsonView size, json.object(key));
  AZ_ASSIGN_OR_RETURN(spec.height, size.integer("height", 1, kMaxSide));
  AZ_ASSIGN_OR_RETURN(spec.width, size.integer("width", 1, kMaxSide));
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

}  // namespace

VideoProcessorClass internvl_video_processor() {
  return {"InternVLVideoProcessor", internvl_defaults, read_internvl, {"size", "initial_shift"}};
}

}  // namespace azimuth::models
