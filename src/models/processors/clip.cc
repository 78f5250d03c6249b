// Processors with one size for all pictures. Sources: transformers, image_processing_clip.py,
// image_processing_siglip.py, image_processing_llava.py.
#include "models/processors/keys.h"
#include "models/processors/processor_class.h"
#include "models/processors/sizes.h"

namespace azimuth::models {
namespace {

ImageProcessorSpec clip_defaults() {
  ImageProcessorSpec spec;
  spec.scheme = PreprocessScheme::fixed;
  spec.array = PixelArray::tiles;
  spec.tower_patches = true;
  spec.mean = kClipMean;
  spec.std = kClipStd;
  spec.shortest_edge = 224;
  spec.do_center_crop = true;
  spec.crop_height = spec.crop_width = 224;
  return spec;
}

ImageProcessorSpec siglip_defaults() {
  ImageProcessorSpec spec;
  spec.scheme = PreprocessScheme::fixed;
  spec.array = PixelArray::tiles;
  spec.tower_patches = true;
  spec.mean = kHalf;
  spec.std = kHalf;
  spec.height = spec.width = 224;
  return spec;
}

Status read_fixed(const JsonView& json, ImageProcessorSpec& spec) {
  AZ_RETURN_IF_ERROR(read_size(json, spec));
  return read_crop(json, spec);
}

Status read_llava(const JsonView& json, ImageProcessorSpec& spec) {
  AZ_RETURN_IF_ERROR(read_flag(json, "do_pad", spec.do_pad));
  return read_fixed(json, spec);
}

}  // namespace

ImageProcessorClass clip_image_processor() {
  return {"CLIPImageProcessor", clip_defaults, read_fixed, {"size", "crop_size", "do_center_crop"}};
}

ImageProcessorClass siglip_image_processor() {
  return {"SiglipImageProcessor", siglip_defaults, read_fixed, {"size", "crop_size", "do_center_crop"}};
}

ImageProcessorClass llava_image_processor() {
  return {"LlavaImageProcessor", clip_defaults, read_llava, {"size", "crop_size", "do_center_crop", "do_pad"}};
}

}  // namespace azimuth::models
