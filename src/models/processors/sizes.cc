#include "models/processors/sizes.h"

#include <nlohmann/json.hpp>

#include "models/processors/keys.h"

namespace azimuth::models {
namespace {

Status read_height_and_width(const JsonView& size, int64_t& height, int64_t& width) {
  AZ_ASSIGN_OR_RETURN(height, size.integer("height", 1, kMaxSide));
  AZ_ASSIGN_OR_RETURN(width, size.integer("width", 1, kMaxSide));
  return ok_status();
}

}  // namespace

Status read_size(const JsonView& json, ImageProcessorSpec& spec) {
  if (!json.has("size")) return ok_status();
  AZ_ASSIGN_OR_RETURN(const JsonView size, json.at("size"));
  spec.height = spec.width = spec.shortest_edge = 0;
  if (size.value().is_number()) {
    AZ_ASSIGN_OR_RETURN(spec.shortest_edge, size.as_integer(1, kMaxSide));
    return ok_status();
  }
  AZ_RETURN_IF_ERROR(size.check_object());
  if (size.has("height") && size.has("width")) return read_height_and_width(size, spec.height, spec.width);
  if (!size.has("shortest_edge") || size.has("longest_edge")) {
    return size.expected("an object with height and width, or with shortest_edge (pixels)");
  }
  AZ_ASSIGN_OR_RETURN(spec.shortest_edge, size.integer("shortest_edge", 1, kMaxSide));
  return ok_status();
}

Status read_crop(const JsonView& json, ImageProcessorSpec& spec) {
  AZ_RETURN_IF_ERROR(read_flag(json, "do_center_crop", spec.do_center_crop));
  if (is_null(json, "crop_size")) spec.crop_height = spec.crop_width = 0;
  if (json.has("crop_size")) {
    AZ_ASSIGN_OR_RETURN(const JsonView size, json.at("crop_size"));
    if (size.value().is_number()) {
      AZ_ASSIGN_OR_RETURN(spec.crop_height, size.as_integer(1, kMaxSide));
      spec.crop_width = spec.crop_height;
    } else {
      AZ_RETURN_IF_ERROR(size.check_object());
      AZ_RETURN_IF_ERROR(read_height_and_width(size, spec.crop_height, spec.crop_width));
    }
  }
  if (!spec.do_center_crop || (spec.crop_height > 0 && spec.crop_width > 0)) return ok_status();
  return invalid_argument(json.where() + " expected crop_size with height and width beside do_center_crop, found none");
}

}  // namespace azimuth::models
