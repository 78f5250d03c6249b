// Sides rounded to whole cells within area bounds (Qwen). Source: transformers, image_processing_qwen2_vl.py.
#include "preprocess/schemes/scheme.h"

namespace azimuth::preprocess {

Result<DividedPicture> divide_smart_resize(const media::Image& image, const ImageProcessorSpec& spec,
                                           ThreadPool& pool) {
  PixelSize size{image.width, image.height};
  if (spec.do_resize) {
    AZ_ASSIGN_OR_RETURN(size,
                        smart_resize(size, spec.patch_size * spec.merge_size, {spec.min_pixels, spec.max_pixels}));
  }
  AZ_RETURN_IF_ERROR(check_resized_pixels(1, size));
  DividedPicture picture;
  AZ_ASSIGN_OR_RETURN(media::Image tile, resized(image, size, spec, pool));
  picture.tiles.push_back(std::move(tile));
  return picture;
}

}  // namespace azimuth::preprocess
