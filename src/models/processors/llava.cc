// Processors that divide a picture by the best of listed sizes, and the frames of LLaVA-OneVision. Sources:
// transformers, image_processing_llava_next.py, image_processing_llava_onevision.py,
// video_processing_llava_onevision.py.
#include "models/processors/keys.h"
#include "models/processors/processor_class.h"
#include "models/processors/sizes.h"

namespace azimuth::models {
namespace {

constexpr size_t kMostPinpoints = 4096;

ImageProcessorSpec next_defaults() {
  ImageProcessorSpec spec;
  spec.scheme = PreprocessScheme::any_resolution;
  spec.array = PixelArray::tiles_per_image;
  spec.tower_patches = true;
  spec.mean = kClipMean;
  spec.std = kClipStd;
  spec.shortest_edge = 224;
  spec.do_center_crop = true;
  spec.crop_height = spec.crop_width = 224;
  spec.divides = true;
  spec.pinpoints = {{336, 672}, {672, 336}, {672, 672}, {1008, 336}, {336, 1008}};
  return spec;
}

ImageProcessorSpec onevision_defaults() {
  constexpr int64_t kTile = 384;
  constexpr int64_t kMostTiles = 6;  // per side
  ImageProcessorSpec spec = next_defaults();
  spec.shortest_edge = 0;
  spec.height = spec.width = kTile;
  spec.do_center_crop = false;
  spec.crop_height = spec.crop_width = 0;
  spec.divides_only_alone = true;
  spec.pinpoints.clear();
  for (int64_t rows = 1; rows <= kMostTiles; ++rows) {
    for (int64_t columns = 1; columns <= kMostTiles; ++columns)
      spec.pinpoints.push_back({rows * kTile, columns * kTile});
  }
  return spec;
}

Status read_any_resolution(const JsonView& json, ImageProcessorSpec& spec) {
  constexpr std::string_view kKey = "image_grid_pinpoints";
  AZ_RETURN_IF_ERROR(read_size(json, spec));
  AZ_RETURN_IF_ERROR(read_crop(json, spec));
  if (!json.has(kKey)) return ok_status();
  AZ_ASSIGN_OR_RETURN(const JsonView list, json.at(kKey));
  AZ_ASSIGN_OR_RETURN(const std::vector<JsonView> entries, list.items());
  if (entries.empty() || entries.size() > kMostPinpoints) return list.expected("1 to 4096 pairs of height and width");
  spec.pinpoints.clear();
  for (const JsonView& entry : entries) {
    AZ_ASSIGN_OR_RETURN(const std::vector<JsonView> sides, entry.items());
    if (sides.size() != 2) return entry.expected("a pair of height and width");
    AZ_ASSIGN_OR_RETURN(const int64_t height, sides[0].as_integer(1, kMaxSide));
    AZ_ASSIGN_OR_RETURN(const int64_t width, sides[1].as_integer(1, kMaxSide));
    spec.pinpoints.push_back({height, width});
  }
  return ok_status();
}

VideoProcessorSpec onevision_video_defaults() {
  VideoProcessorSpec spec;
  spec.frame = onevision_defaults();
  spec.frame.scheme = PreprocessScheme::fixed;
  spec.frame.divides = false;
  spec.frame.pinpoints.clear();
  spec.sampling = FrameSampling::even_floor;
  spec.do_sample_frames = false;
  spec.fps.reset();
  return spec;
}

Status read_video(const JsonView& json, VideoProcessorSpec& spec) {
  AZ_RETURN_IF_ERROR(read_size(json, spec.frame));
  return read_crop(json, spec.frame);
}

}  // namespace

ImageProcessorClass llava_next_image_processor() {
  return {"LlavaNextImageProcessor",
          next_defaults,
          read_any_resolution,
          {"size", "crop_size", "do_center_crop", "do_pad", "image_grid_pinpoints"}};
}

ImageProcessorClass llava_onevision_image_processor() {
  return {"LlavaOnevisionImageProcessor",
          onevision_defaults,
          read_any_resolution,
          {"size", "crop_size", "do_center_crop", "do_pad", "image_grid_pinpoints"}};
}

VideoProcessorClass llava_onevision_video_processor() {
  return {
      "LlavaOnevisionVideoProcessor", onevision_video_defaults, read_video, {"size", "crop_size", "do_center_crop"}};
}

}  // namespace azimuth::models
