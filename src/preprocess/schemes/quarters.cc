// Pictures within bounds of their edges, on request as four quarters with the whole picture last. Source: transformers,
// image_processing_idefics2.py.
#include <algorithm>
#include <utility>

#include "preprocess/cut.h"
#include "preprocess/schemes/scheme.h"

namespace azimuth::preprocess {
namespace {

PixelSize target_of(PixelSize size, const ImageProcessorSpec& spec) {
  if (spec.height > 0) return {spec.width, spec.height};
  const double aspect = static_cast<double>(size.width) / static_cast<double>(size.height);
  const int64_t longest = spec.longest_edge;
  if (size.width >= size.height && size.width > longest) {
    size = {longest, static_cast<int64_t>(static_cast<double>(longest) / aspect)};
  } else if (size.height > size.width && size.height > longest) {
    size = {static_cast<int64_t>(static_cast<double>(longest) * aspect), longest};
  }
  return {std::max(size.width, spec.shortest_edge), std::max(size.height, spec.shortest_edge)};
}

// Top left, top right, bottom left, bottom right; the middle row and column belong to the second half.
std::vector<media::Image> quarters_of(const media::Image& image) {
  const int64_t column = image.width / 2;
  const int64_t row = image.height / 2;
  std::vector<media::Image> parts;
  for (const auto& [top, height] : {std::pair{int64_t{0}, row}, std::pair{row, image.height - row}}) {
    for (const auto& [left, width] : {std::pair{int64_t{0}, column}, std::pair{column, image.width - column}}) {
      parts.push_back(cut(image, {left, top, width, height}));
    }
  }
  return parts;
}

}  // namespace

Result<DividedPicture> divide_quarters(const media::Image& image, const ImageProcessorSpec& spec, ThreadPool& pool) {
  DividedPicture out;
  if (spec.divides) {
    if (image.width < 2 || image.height < 2) {
      return invalid_argument("a picture of at least 2 x 2 pixels was expected to be split into quarters, found " +
                              std::to_string(image.width) + " x " + std::to_string(image.height) +
                              "; pass do_image_splitting=false");
    }
    out.tiles = quarters_of(image);
    out.global_tile = 4;
    out.tile_rows = out.tile_columns = 2;
  }
  out.tiles.push_back(image);
  if (!spec.do_resize) return out;
  for (media::Image& tile : out.tiles) {
    const PixelSize size = target_of({tile.width, tile.height}, spec);
    AZ_RETURN_IF_ERROR(check_resized_pixels(static_cast<int64_t>(out.tiles.size()), size));
    AZ_ASSIGN_OR_RETURN(tile, resized(tile, size, spec, pool));
  }
  return out;
}

}  // namespace azimuth::preprocess
