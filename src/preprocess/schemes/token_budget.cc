// The largest picture of the same shape whose patches fit a budget of tokens (Gemma 4). Source: transformers,
// image_processing_gemma4.py, get_aspect_ratio_preserving_size.
#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "preprocess/schemes/scheme.h"

namespace azimuth::preprocess {
namespace {

// Tokens that the class lets a picture have.
constexpr std::array<int64_t, 5> kBudgets = {70, 140, 280, 560, 1120};

// Whole cells of `cell` pixels in `pixels`, in pixels.
int64_t whole_cells(double pixels, int64_t cell) {
  return static_cast<int64_t>(std::floor(pixels / static_cast<double>(cell))) * cell;
}

Result<PixelSize> fit(PixelSize size, const ImageProcessorSpec& spec) {
  const int64_t cell = spec.patch_size * spec.merge_size;
  const auto budget = static_cast<double>(spec.max_tokens * cell * cell);
  const double factor = std::sqrt(budget / static_cast<double>(size.height * size.width));
  PixelSize out{whole_cells(factor * static_cast<double>(size.width), cell),
                whole_cells(factor * static_cast<double>(size.height), cell)};
  // A picture that is thinner than a cell keeps one row of cells, as many as its sides' ratio says.
  const int64_t longest = spec.max_tokens * cell;
  if (out.height == 0) {
    out = {std::min(size.width / size.height * cell, longest), cell};
  } else if (out.width == 0) {
    out = {cell, std::min(size.height / size.width * cell, longest)};
  }
  return out;
}

}  // namespace

Result<DividedPicture> divide_token_budget(const media::Image& image, const ImageProcessorSpec& spec,
                                           ThreadPool& pool) {
  if (std::ranges::find(kBudgets, spec.max_tokens) == kBudgets.end()) {
    return invalid_argument("max_soft_tokens was expected to be 70, 140, 280, 560 or 1120, found " +
                            std::to_string(spec.max_tokens));
  }
  PixelSize size{image.width, image.height};
  if (spec.do_resize) {
    AZ_ASSIGN_OR_RETURN(size, fit(size, spec));
  }
  AZ_RETURN_IF_ERROR(check_resized_pixels(1, size));
  DividedPicture picture;
  AZ_ASSIGN_OR_RETURN(media::Image tile, resized(image, size, spec, pool));
  picture.tiles.push_back(std::move(tile));
  return picture;
}

}  // namespace azimuth::preprocess
