// Processors that divide pictures into a grid of tiles. Sources: transformers, image_processing_got_ocr2.py,
// processing_internvl.py, image_processing_ovis2.py.
#include <nlohmann/json.hpp>

#include "models/processors/keys.h"
#include "models/processors/processor_class.h"

namespace azimuth::models {
namespace {

constexpr int64_t kMaxTiles = 1024;

ImageProcessorSpec tile_defaults() {
  ImageProcessorSpec spec;
  spec.scheme = PreprocessScheme::tiles;
  spec.array = PixelArray::tiles;
  spec.tower_patches = true;
  spec.mean = kClipMean;
  spec.std = kClipStd;
  spec.height = spec.width = 384;
  return spec;
}

// InternVLProcessor divides pictures unless a call says no, whatever the image processor's file says.
ImageProcessorSpec internvl_defaults() {
  ImageProcessorSpec spec = tile_defaults();
  spec.divides = true;
  return spec;
}

ImageProcessorSpec ovis2_defaults() {
  ImageProcessorSpec spec = tile_defaults();
  spec.tile_grid = TileGrid::covering_area;
  spec.thumbnail_first = true;
  return spec;
}

// "size": one number for both sides, or an object of height and width. The models read a tile as a square.
Status read_tile_size(const JsonView& json, ImageProcessorSpec& spec) {
  if (!json.has("size")) return ok_status();
  AZ_ASSIGN_OR_RETURN(const JsonView size, json.at("size"));
  if (!size.value().is_object()) {
    AZ_ASSIGN_OR_RETURN(spec.height, size.as_integer(1, kMaxSide));
    spec.width = spec.height;
    return ok_status();
  }
  AZ_ASSIGN_OR_RETURN(spec.height, size.integer("height", 1, kMaxSide));
  AZ_ASSIGN_OR_RETURN(spec.width, size.integer("width", 1, kMaxSide));
  return spec.height == spec.width ? ok_status() : size.expected("equal height and width");
}

Status read_tiles(const JsonView& json, ImageProcessorSpec& spec) {
  AZ_RETURN_IF_ERROR(read_tile_size(json, spec));
  AZ_RETURN_IF_ERROR(read_count(json, "min_patches", kMaxTiles, spec.min_tiles));
  return read_count(json, "max_patches", kMaxTiles, spec.max_tiles);
}

Status read_division(const JsonView& json, ImageProcessorSpec& spec) {
  return read_flag(json, "crop_to_patches", spec.divides);
}

Status read_ovis2(const JsonView& json, ImageProcessorSpec& spec) {
  AZ_RETURN_IF_ERROR(read_tiles(json, spec));
  AZ_RETURN_IF_ERROR(read_division(json, spec));
  bool covering = spec.tile_grid == TileGrid::covering_area;
  AZ_RETURN_IF_ERROR(read_flag(json, "use_covering_area_grid", covering));
  spec.tile_grid = covering ? TileGrid::covering_area : TileGrid::closest_ratio;
  return ok_status();
}

}  // namespace

ImageProcessorClass got_ocr2_image_processor() {
  return {"GotOcr2ImageProcessor",
          internvl_defaults,
          read_tiles,
          {"size", "crop_to_patches", "min_patches", "max_patches"},
          read_division};
}

ImageProcessorClass ovis2_image_processor() {
  return {"Ovis2ImageProcessor",
          ovis2_defaults,
          read_ovis2,
          {"size", "crop_to_patches", "min_patches", "max_patches", "use_covering_area_grid"}};
}

}  // namespace azimuth::models
