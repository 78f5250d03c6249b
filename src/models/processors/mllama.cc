// Processor of Llama 3.2 Vision. Source: transformers, image_processing_mllama.py.
#include "models/processors/keys.h"
#include "models/processors/processor_class.h"
#include "models/processors/sizes.h"

namespace azimuth::models {
namespace {

ImageProcessorSpec defaults() {
  ImageProcessorSpec spec;
  spec.scheme = PreprocessScheme::canvas;
  spec.array = PixelArray::canvases;
  spec.tower_patches = true;
  spec.resample = ResampleFilter::bilinear;
  spec.mean = kHalf;
  spec.std = kHalf;
  spec.height = spec.width = 224;
  spec.max_tiles = 4;
  spec.do_pad = true;
  return spec;
}

Status read(const JsonView& json, ImageProcessorSpec& spec) {
  AZ_RETURN_IF_ERROR(read_size(json, spec));
  AZ_RETURN_IF_ERROR(read_flag(json, "do_pad", spec.do_pad));
  return read_count(json, "max_image_tiles", kMaxMerge, spec.max_tiles);
}

}  // namespace

ImageProcessorClass mllama_image_processor() {
  return {"MllamaImageProcessor", defaults, read, {"size", "do_pad", "max_image_tiles"}};
}

}  // namespace azimuth::models
