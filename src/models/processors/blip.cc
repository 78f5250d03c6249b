// Processor of BLIP and BLIP-2. Source: transformers, image_processing_blip.py.
#include <nlohmann/json.hpp>

#include "models/processors/keys.h"
#include "models/processors/processor_class.h"
#include "models/processors/sizes.h"

namespace azimuth::models {
namespace {

ImageProcessorSpec defaults() {
  ImageProcessorSpec spec;
  spec.scheme = PreprocessScheme::fixed;
  spec.array = PixelArray::tiles;
  spec.tower_patches = true;
  spec.mean = kClipMean;
  spec.std = kClipStd;
  spec.height = spec.width = 384;
  return spec;
}

// A number is both sides (default_to_square).
Status read(const JsonView& json, ImageProcessorSpec& spec) {
  AZ_RETURN_IF_ERROR(read_size(json, spec));
  if (!json.has("size")) return ok_status();
  AZ_ASSIGN_OR_RETURN(const JsonView size, json.at("size"));
  if (!size.value().is_number()) return ok_status();
  spec.height = spec.width = spec.shortest_edge;
  spec.shortest_edge = 0;
  return ok_status();
}

}  // namespace

ImageProcessorClass blip_image_processor() {
  return {"BlipImageProcessor", defaults, read, {"size"}};
}

}  // namespace azimuth::models
