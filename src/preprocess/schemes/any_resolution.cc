// The whole picture, then tiles of the best of listed sizes, into which it is fitted between black bars (LLaVA-NeXT,
// LLaVA-OneVision). Sources: transformers, image_processing_llava_next.py, image_processing_llava_onevision.py,
// image_processing_utils.py (select_best_resolution, get_patch_output_size).
#include <algorithm>
#include <cmath>

#include "preprocess/cut.h"
#include "preprocess/preprocess.h"
#include "preprocess/schemes/fixed.h"

namespace azimuth::preprocess {
namespace {

struct BestFit {
  PixelSize size;
  int64_t used = 0;            // pixels of the picture that it shows
  int64_t wasted = INT64_MAX;  // pixels of it that show nothing new
};

BestFit fit(PixelSize image, int64_t height, int64_t width) {
  const double scale = std::min(static_cast<double>(width) / static_cast<double>(image.width),
                                static_cast<double>(height) / static_cast<double>(image.height));
  const auto scaled_width = static_cast<int64_t>(static_cast<double>(image.width) * scale);
  const auto scaled_height = static_cast<int64_t>(static_cast<double>(image.height) * scale);
  const int64_t used = std::min(scaled_width * scaled_height, image.width * image.height);
  return {{width, height}, used, width * height - used};
}

// The listed size that shows the most of the picture; among equals the one that wastes least, then the first.
PixelSize best_size(PixelSize image, const ImageProcessorSpec& spec) {
  BestFit best;
  for (const auto& [height, width] : spec.pinpoints) {
    const BestFit found = fit(image, height, width);
    if (found.used > best.used || (found.used == best.used && found.wasted < best.wasted)) best = found;
  }
  return best.size;
}

// The picture's own shape within `size`.
PixelSize inner_size(const media::Image& image, PixelSize size) {
  const double across = static_cast<double>(size.width) / static_cast<double>(image.width);
  const double down = static_cast<double>(size.height) / static_cast<double>(image.height);
  const auto scaled = [](int64_t side, double scale, int64_t most) {
    return std::min(static_cast<int64_t>(std::ceil(static_cast<double>(side) * scale)), most);
  };
  if (across < down) return {size.width, scaled(image.height, across, size.height)};
  return {scaled(image.width, down, size.width), size.height};
}

// Pixels per side of a tile before it is resized and cropped like every other.
int64_t tile_side(const ImageProcessorSpec& spec) {
  if (spec.crop_height > 0) return spec.crop_height;
  return spec.height > 0 ? spec.height : spec.shortest_edge;
}

Result<media::Image> between_bars(const media::Image& image, PixelSize size, const ImageProcessorSpec& spec,
                                  ThreadPool& pool) {
  const PixelSize inner = inner_size(image, size);
  AZ_RETURN_IF_ERROR(check_resized_pixels(1, size));
  AZ_ASSIGN_OR_RETURN(const media::Image fitted, resized(image, inner, spec, pool));
  return cut(fitted, {-((size.width - inner.width) / 2), -((size.height - inner.height) / 2), size.width, size.height});
}

Status add_tile(const media::Image& tile, const ImageProcessorSpec& spec, ThreadPool& pool, DividedPicture& picture) {
  AZ_ASSIGN_OR_RETURN(media::Image finished, resized_and_cropped(tile, spec, pool));
  picture.tiles.push_back(std::move(finished));
  return ok_status();
}

}  // namespace

Result<TileCounts> any_resolution_tiles(PixelSize source, const ImageProcessorSpec& spec) {
  const PixelSize size = best_size(source, spec);
  const int64_t side = tile_side(spec);
  if (size.width > 0 && size.width % side == 0 && size.height % side == 0) {
    return TileCounts{size.height / side, size.width / side};
  }
  return invalid_argument("image_grid_pinpoints expected multiples of the tile's " + std::to_string(side) +
                          " pixels, found " + std::to_string(size.width) + " x " + std::to_string(size.height) +
                          "; correct the processor's config");
}

Result<DividedPicture> divide_any_resolution(const media::Image& image, const ImageProcessorSpec& spec,
                                             ThreadPool& pool) {
  DividedPicture picture;
  if (!spec.divides) {
    AZ_ASSIGN_OR_RETURN(const media::Image square, padded_to_square(image, spec));
    AZ_RETURN_IF_ERROR(add_tile(square, spec, pool, picture));
    return picture;
  }
  AZ_ASSIGN_OR_RETURN(const TileCounts counts, any_resolution_tiles({image.width, image.height}, spec));
  const int64_t side = tile_side(spec);
  const PixelSize size{counts.columns * side, counts.rows * side};
  const PixelSize whole =
      spec.height > 0 ? PixelSize{spec.width, spec.height} : PixelSize{spec.shortest_edge, spec.shortest_edge};
  picture.tile_rows = counts.rows;
  picture.tile_columns = counts.columns;
  AZ_RETURN_IF_ERROR(check_resized_pixels(picture.tile_rows * picture.tile_columns + 1, whole));
  AZ_ASSIGN_OR_RETURN(const media::Image small, resized(image, whole, spec, pool));
  AZ_RETURN_IF_ERROR(add_tile(small, spec, pool, picture));
  AZ_ASSIGN_OR_RETURN(const media::Image fitted, between_bars(image, size, spec, pool));
  picture.global_tile = 0;
  for (int64_t row = 0; row < picture.tile_rows; ++row) {
    for (int64_t column = 0; column < picture.tile_columns; ++column) {
      AZ_RETURN_IF_ERROR(add_tile(cut(fitted, {column * side, row * side, side, side}), spec, pool, picture));
    }
  }
  return picture;
}

}  // namespace azimuth::preprocess
