// Keys of processors that resize to sizes in pixels and cut from the middle.
#pragma once

#include "azimuth/status.h"
#include "base/json.h"
#include "spec/preprocess_spec.h"

namespace azimuth::models {

// `size`: {"height", "width"}, {"shortest_edge"}, or a number, which is a shortest edge. It replaces what was there.
Status read_size(const JsonView& json, ImageProcessorSpec& spec);

// do_center_crop, and crop_size: {"height", "width"}, or a number for both; null: none.
Status read_crop(const JsonView& json, ImageProcessorSpec& spec);

}  // namespace azimuth::models
