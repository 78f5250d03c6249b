// Gemma 3's processor. Sources: transformers, image_processing_gemma3.py, processing_gemma3.py.
#include "models/processors/keys.h"
#include "models/processors/processor_class.h"

namespace azimuth::models {
namespace {

ImageProcessorSpec image_defaults() {
  ImageProcessorSpec spec;
  spec.scheme = PreprocessScheme::pan_and_scan;
  spec.array = PixelArray::tiles;
  spec.tower_patches = true;
  spec.resample = ResampleFilter::bilinear;
  spec.mean = kHalf;
  spec.std = kHalf;
  spec.height = spec.width = 224;
  return spec;
}

// Gemma3Processor has defaults of its own for these, which override those of the files.
Status read_crops(const JsonView& json, ImageProcessorSpec& spec) {
  AZ_RETURN_IF_ERROR(read_flag(json, "do_pan_and_scan", spec.divides));
  AZ_RETURN_IF_ERROR(read_count(json, "pan_and_scan_min_crop_size", kMaxSide, spec.min_crop_size));
  AZ_RETURN_IF_ERROR(read_count(json, "pan_and_scan_max_num_crops", kMaxSide, spec.max_crops));
  AZ_ASSIGN_OR_RETURN(spec.min_ratio_to_crop,
                      json.number_or("pan_and_scan_min_ratio_to_activate", spec.min_ratio_to_crop, 0.0, 1e6));
  return ok_status();
}

Status read_image(const JsonView& json, ImageProcessorSpec& spec) {
  if (!json.has("size")) return ok_status();
  AZ_ASSIGN_OR_RETURN(const JsonView size, json.object("size"));
  AZ_ASSIGN_OR_RETURN(spec.height, size.integer("height", 1, kMaxSide));
  AZ_ASSIGN_OR_RETURN(spec.width, size.integer("width", 1, kMaxSide));
  return ok_status();
}

}  // namespace

ImageProcessorClass gemma3_image_processor() {
  return {"Gemma3ImageProcessor",
          image_defaults,
          read_image,
          {"size", "do_pan_and_scan", "pan_and_scan_min_crop_size", "pan_and_scan_max_num_crops",
           "pan_and_scan_min_ratio_to_activate"},
          read_crops};
}

}  // namespace azimuth::models
