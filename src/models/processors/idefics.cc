// Processors of the Idefics line. Sources: transformers, image_processing_idefics2.py, image_processing_idefics3.py,
// image_processing_smolvlm.py, video_processing_smolvlm.py.
#include <algorithm>

#include "models/processors/keys.h"
#include "models/processors/processor_class.h"

namespace azimuth::models {
namespace {

constexpr int64_t kMaxVideoSide = 4096;  // MAX_IMAGE_SIZE

ImageProcessorSpec tower_image() {
  ImageProcessorSpec spec;
  spec.array = PixelArray::tiles_per_sample;
  spec.tower_patches = true;
  spec.mean = kHalf;
  spec.std = kHalf;
  return spec;
}

ImageProcessorSpec split_defaults() {
  ImageProcessorSpec spec = tower_image();
  spec.scheme = PreprocessScheme::split;
  spec.resample = ResampleFilter::lanczos;
  spec.longest_edge = 4 * 364;
  spec.tile_size = 364;
  spec.divides = true;
  return spec;
}

ImageProcessorSpec quarters_defaults() {
  ImageProcessorSpec spec = tower_image();
  spec.scheme = PreprocessScheme::quarters;
  spec.drops_alpha = true;  // Idefics2Processor loads pictures by itself
  spec.resample = ResampleFilter::bilinear;
  spec.shortest_edge = 378;
  spec.longest_edge = 980;
  return spec;
}

VideoProcessorSpec video_defaults() {
  VideoProcessorSpec spec;
  spec.frame = split_defaults();
  spec.frame.array = PixelArray::tiles_per_image;
  spec.frame.divides = false;
  spec.named_as_images = true;
  spec.sampling = FrameSampling::without_ends;
  spec.samples_files = true;
  spec.do_sample_frames = false;
  spec.fps.reset();
  return spec;
}

// "size" in pixels: height and width, or edges; what it does not name is not in force.
Status read_size(const JsonView& json, std::string_view key, bool needs_shortest, ImageProcessorSpec& spec) {
  if (!json.has(key)) return ok_status();
  AZ_ASSIGN_OR_RETURN(const JsonView size, json.object(key));
  spec.height = spec.width = spec.shortest_edge = spec.longest_edge = 0;
  AZ_RETURN_IF_ERROR(read_count(size, "longest_edge", kMaxSide, spec.longest_edge));
  AZ_RETURN_IF_ERROR(read_count(size, "shortest_edge", kMaxSide, spec.shortest_edge));
  AZ_RETURN_IF_ERROR(read_count(size, "height", kMaxSide, spec.height));
  AZ_RETURN_IF_ERROR(read_count(size, "width", kMaxSide, spec.width));
  if (spec.longest_edge > 0 && (spec.shortest_edge > 0 || !needs_shortest)) {
    spec.height = spec.width = 0;
    return ok_status();
  }
  if (spec.height > 0 && spec.width > 0) return ok_status();
  return size.expected(needs_shortest ? "an object with shortest_edge and longest_edge, or with height and width"
                                      : "an object with longest_edge, or with height and width");
}

Status read_tile_size(const JsonView& json, ImageProcessorSpec& spec) {
  if (!json.has("max_image_size")) return ok_status();
  AZ_ASSIGN_OR_RETURN(const JsonView size, json.object("max_image_size"));
  AZ_ASSIGN_OR_RETURN(spec.tile_size, size.integer("longest_edge", 1, kMaxSide));
  return ok_status();
}

Status read_split(const JsonView& json, ImageProcessorSpec& spec) {
  AZ_RETURN_IF_ERROR(read_size(json, "size", false, spec));
  AZ_RETURN_IF_ERROR(read_tile_size(json, spec));
  return read_flag(json, "do_image_splitting", spec.divides);
}

Status read_quarters(const JsonView& json, ImageProcessorSpec& spec) {
  AZ_RETURN_IF_ERROR(read_size(json, "size", true, spec));
  return read_flag(json, "do_image_splitting", spec.divides);
}

// video_sampling (published files): most frames, frames per second, and a size that counts where "size" is not given.
Status read_sampling(const JsonView& json, VideoProcessorSpec& spec) {
  if (!json.has("video_sampling")) return ok_status();
  AZ_ASSIGN_OR_RETURN(const JsonView sampling, json.object("video_sampling"));
  AZ_ASSIGN_OR_RETURN(spec.num_frames, sampling.integer("max_frames", 1, kMaxFrames));
  AZ_ASSIGN_OR_RETURN(spec.fps, sampling.number("fps", 1e-6, 1e6));
  return json.has("size") ? ok_status() : read_size(sampling, "video_size", false, spec.frame);
}

Status read_video(const JsonView& json, VideoProcessorSpec& spec) {
  AZ_RETURN_IF_ERROR(read_size(json, "size", false, spec.frame));
  AZ_RETURN_IF_ERROR(read_sampling(json, spec));
  spec.frame.longest_edge = std::min(spec.frame.longest_edge, kMaxVideoSide);
  return read_tile_size(json, spec.frame);
}

}  // namespace

ImageProcessorClass idefics2_image_processor() {
  return {"Idefics2ImageProcessor", quarters_defaults, read_quarters, {"size", "do_image_splitting", "do_pad"}};
}

ImageProcessorClass idefics3_image_processor() {
  return {"Idefics3ImageProcessor",
          split_defaults,
          read_split,
          {"size", "max_image_size", "do_image_splitting", "do_pad", "return_row_col_info"}};
}

ImageProcessorClass smolvlm_image_processor() {
  ImageProcessorClass same = idefics3_image_processor();
  same.name = "SmolVLMImageProcessor";
  return same;
}

VideoProcessorClass smolvlm_video_processor() {
  return {"SmolVLMVideoProcessor", video_defaults, read_video, {"size", "max_image_size", "do_pad", "video_sampling"}};
}

}  // namespace azimuth::models
