// One size for all pictures (CLIP, SigLIP, LLaVA). Sources: transformers, image_processing_backends.py,
// image_processing_llava.py, image_transforms.py (center_crop, get_resize_output_image_size).
#include "preprocess/schemes/fixed.h"

#include <algorithm>

#include "preprocess/cut.h"

namespace azimuth::preprocess {
namespace {

PixelSize target_size(const media::Image& image, const ImageProcessorSpec& spec) {
  if (spec.shortest_edge == 0) return {spec.width, spec.height};
  const int64_t shorter = std::min(image.width, image.height);
  const int64_t longer = std::max(image.width, image.height);
  const auto edge =
      static_cast<int64_t>(static_cast<double>(spec.shortest_edge * longer) / static_cast<double>(shorter));
  return image.width <= image.height ? PixelSize{spec.shortest_edge, edge} : PixelSize{edge, spec.shortest_edge};
}

// Where a side of `crop` pixels begins on one of `side`; negative where the picture is smaller and black surrounds it.
int64_t crop_start(int64_t side, int64_t crop, PixelArithmetic arithmetic) {
  if (crop <= side) return (side - crop) / 2;
  const int64_t missing = crop - side;
  return -(arithmetic == PixelArithmetic::pillow ? (missing + 1) / 2 : missing / 2);
}

}  // namespace

Result<media::Image> padded_to_square(const media::Image& image, const ImageProcessorSpec& spec) {
  if (image.width == image.height) return image;
  const int64_t side = std::max(image.width, image.height);
  AZ_RETURN_IF_ERROR(check_resized_pixels(1, {side, side}));
  std::array<uint8_t, 3> mean{};
  for (size_t c = 0; c < mean.size(); ++c) mean[c] = static_cast<uint8_t>(std::clamp(spec.mean[c] * 255.0, 0.0, 255.0));
  return cut(image, {-((side - image.width) / 2), -((side - image.height) / 2), side, side}, mean);
}

Result<media::Image> resized_and_cropped(const media::Image& image, const ImageProcessorSpec& spec, ThreadPool& pool) {
  media::Image out = image;
  if (spec.do_resize) {
    const PixelSize size = target_size(image, spec);
    AZ_RETURN_IF_ERROR(check_resized_pixels(1, size));
    AZ_ASSIGN_OR_RETURN(out, resized(image, size, spec, pool));
  }
  if (!spec.do_center_crop) return out;
  AZ_RETURN_IF_ERROR(check_resized_pixels(1, {spec.crop_width, spec.crop_height}));
  const Rectangle middle{crop_start(out.width, spec.crop_width, spec.arithmetic),
                         crop_start(out.height, spec.crop_height, spec.arithmetic), spec.crop_width, spec.crop_height};
  return cut(out, middle);
}

Result<DividedPicture> divide_fixed(const media::Image& image, const ImageProcessorSpec& spec, ThreadPool& pool) {
  media::Image square;
  if (spec.do_pad) {
    AZ_ASSIGN_OR_RETURN(square, padded_to_square(image, spec));
  }
  DividedPicture picture;
  AZ_ASSIGN_OR_RETURN(media::Image tile, resized_and_cropped(spec.do_pad ? square : image, spec, pool));
  picture.tiles.push_back(std::move(tile));
  return picture;
}

}  // namespace azimuth::preprocess
