// One size for all pictures, and on request crops of those that are far from square (Gemma 3). Source: transformers,
// image_processing_gemma3.py.
#include <algorithm>
#include <cmath>

#include "preprocess/cut.h"
#include "preprocess/schemes/scheme.h"

namespace azimuth::preprocess {
namespace {

// How many crops lie along the longer side; 0: the picture is not divided.
int64_t crop_count(int64_t longer, int64_t shorter, const ImageProcessorSpec& spec) {
  const double ratio = static_cast<double>(longer) / static_cast<double>(shorter);
  if (ratio < spec.min_ratio_to_crop) return 0;
  const auto wanted = static_cast<int64_t>(std::floor(ratio + 0.5));
  const int64_t count = std::min(spec.max_crops, std::max<int64_t>(2, std::min(longer / spec.min_crop_size, wanted)));
  const int64_t crop = (longer + count - 1) / count;
  return std::min(crop, shorter) < spec.min_crop_size ? 0 : count;
}

Result<media::Image> at_size(const media::Image& image, const ImageProcessorSpec& spec, ThreadPool& pool) {
  AZ_RETURN_IF_ERROR(check_resized_pixels(1, {spec.width, spec.height}));
  return resized(image, {spec.width, spec.height}, spec, pool);
}

// Crop `index` of those of `size` pixels; the last one is narrower where they do not fit evenly.
Result<Rectangle> crop_of(const media::Image& image, bool wide, int64_t index, int64_t size) {
  const int64_t longer = wide ? image.width : image.height;
  const int64_t begin = index * size;
  const int64_t rest = std::min(size, longer - begin);
  if (rest > 0 && wide) return Rectangle{begin, 0, rest, image.height};
  if (rest > 0) return Rectangle{0, begin, image.width, rest};
  return invalid_argument("pan and scan expected a pixel for each of its crops, found " + std::to_string(longer) +
                          " pixels for " + std::to_string(index + 1) + " crops of " + std::to_string(size) +
                          "; lower pan_and_scan_max_num_crops or raise pan_and_scan_min_crop_size");
}

}  // namespace

Result<DividedPicture> divide_pan_and_scan(const media::Image& image, const ImageProcessorSpec& spec,
                                           ThreadPool& pool) {
  DividedPicture picture;
  if (!spec.divides) {
    if (spec.do_resize) {
      AZ_ASSIGN_OR_RETURN(media::Image whole, at_size(image, spec, pool));
      picture.tiles.push_back(std::move(whole));
    } else {
      picture.tiles.push_back(image);
    }
    return picture;
  }
  AZ_ASSIGN_OR_RETURN(media::Image whole, at_size(image, spec, pool));
  picture.tiles.push_back(std::move(whole));
  const bool wide = image.width >= image.height;
  const int64_t longer = std::max(image.width, image.height);
  const int64_t count = crop_count(longer, std::min(image.width, image.height), spec);
  if (count == 0) return picture;
  AZ_RETURN_IF_ERROR(check_resized_pixels(1 + count, {spec.width, spec.height}));
  picture.global_tile = 0;
  (wide ? picture.tile_columns : picture.tile_rows) = count;
  for (int64_t i = 0; i < count; ++i) {
    AZ_ASSIGN_OR_RETURN(const Rectangle part, crop_of(image, wide, i, (longer + count - 1) / count));
    AZ_ASSIGN_OR_RETURN(media::Image crop, at_size(cut(image, part), spec, pool));
    picture.tiles.push_back(std::move(crop));
  }
  return picture;
}

}  // namespace azimuth::preprocess
