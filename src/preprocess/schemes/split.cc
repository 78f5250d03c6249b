// Pictures by their longest edge, cut into square tiles of one size, the whole picture last. Every step rounds as
// transformers, image_processing_idefics3.py does.
#include <algorithm>

#include "preprocess/cut.h"
#include "preprocess/schemes/scheme.h"

namespace azimuth::preprocess {
namespace {

constexpr int64_t kMaxSide = 4096;  // MAX_IMAGE_SIZE

PixelSize size_of(const media::Image& image) {
  return {image.width, image.height};
}

double aspect_of(PixelSize size) {
  return static_cast<double>(size.width) / static_cast<double>(size.height);
}

int64_t across(int64_t side, double factor) {
  return static_cast<int64_t>(static_cast<double>(side) * factor);
}

int64_t along(int64_t side, double divisor) {
  return static_cast<int64_t>(static_cast<double>(side) / divisor);
}

int64_t even(int64_t side) {
  return side + side % 2;
}

int64_t tiles_over(int64_t side, int64_t tile) {
  return (side + tile - 1) / tile;
}

// The longest edge becomes `longest`, the other one even.
PixelSize by_longest_edge(PixelSize size, int64_t longest) {
  const double aspect = aspect_of(size);
  if (size.width >= size.height) {
    size = {longest, even(along(longest, aspect))};
  } else {
    size = {even(across(longest, aspect)), longest};
  }
  return {std::max<int64_t>(size.width, 1), std::max<int64_t>(size.height, 1)};
}

PixelSize within_limit(PixelSize size) {
  const double aspect = aspect_of(size);
  if (size.width >= size.height && size.width > kMaxSide) {
    size = {kMaxSide, along(kMaxSide, aspect)};
  } else if (size.height > size.width && size.height > kMaxSide) {
    size = {across(kMaxSide, aspect), kMaxSide};
  }
  return {std::max<int64_t>(size.width, 1), std::max<int64_t>(size.height, 1)};
}

// Both sides become multiples of `tile`.
PixelSize whole_tiles(PixelSize size, int64_t tile) {
  const double aspect = aspect_of(size);
  if (size.width >= size.height) {
    size.width = tiles_over(size.width, tile) * tile;
    size.height = tiles_over(along(size.width, aspect), tile) * tile;
  } else {
    size.height = tiles_over(size.height, tile) * tile;
    size.width = tiles_over(across(size.height, aspect), tile) * tile;
  }
  return {std::max(size.width, tile), std::max(size.height, tile)};
}

PixelSize first_size(PixelSize size, const ImageProcessorSpec& spec) {
  if (!spec.do_resize) return size;
  if (spec.longest_edge > 0) return within_limit(by_longest_edge(size, spec.longest_edge));
  return {spec.width, spec.height};
}

}  // namespace

Result<DividedPicture> divide_split(const media::Image& image, const ImageProcessorSpec& spec, ThreadPool& pool) {
  const PixelSize first = first_size(size_of(image), spec);
  AZ_RETURN_IF_ERROR(check_resized_pixels(1, first));
  AZ_ASSIGN_OR_RETURN(media::Image picture, resized(image, first, spec, pool));
  DividedPicture out;
  if (spec.divides) {
    const PixelSize size = whole_tiles(first, spec.tile_size);
    AZ_RETURN_IF_ERROR(check_resized_pixels(1, size));
    AZ_ASSIGN_OR_RETURN(picture, resized(picture, size, spec, pool));
    out.tile_rows = size.height / spec.tile_size;
    out.tile_columns = size.width / spec.tile_size;
  }
  const int64_t tile = spec.tile_size;
  if (out.tile_rows * out.tile_columns > 1) {
    for (int64_t row = 0; row < out.tile_rows; ++row) {
      for (int64_t column = 0; column < out.tile_columns; ++column) {
        out.tiles.push_back(cut(picture, {column * tile, row * tile, tile, tile}));
      }
    }
    out.global_tile = static_cast<int>(out.tiles.size());
  }
  AZ_ASSIGN_OR_RETURN(media::Image whole, resized(picture, {tile, tile}, spec, pool));
  out.tiles.push_back(std::move(whole));
  return out;
}

}  // namespace azimuth::preprocess
