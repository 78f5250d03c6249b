// A picture or a video as the tower made it, with one newline behind it; the frames of a video at half the cells per
// side. Source: transformers, modeling_llava_onevision.py (pack_image_features, get_video_features, apply_pooling).
#include <algorithm>

#include "vision/arrangement/arrangement.h"
#include "vision/arrangement/resample_cells.h"

namespace azimuth::vision {
namespace {

// The cells, then one block of its own for the newline.
std::vector<FeatureBlock> with_newline(const Grid& grid) {
  FeatureBlock cells;
  cells.grid = grid;
  cells.features = grid.cells();
  FeatureBlock newline;
  newline.grid = {1, 1, 1};
  newline.features = 1;
  newline.tile = 1;
  cells.tiles = newline.tiles = 2;
  return {cells, newline};
}

Grid pooled(const Grid& grid) {
  return {grid.t, (grid.h + 1) / 2, (grid.w + 1) / 2};
}

Tensor with_newline(const Tensor& cells, const Tensor& newline) {
  const int64_t width = cells.row_elements();
  Tensor out({cells.shape()[0] + 1, width});
  float* to = std::copy_n(cells.data(), cells.elements(), out.data());
  std::copy_n(newline.data(), width, to);
  return out;
}

}  // namespace

std::vector<FeatureBlock> blocks_whole(const Arranged& media) {
  return with_newline(media.pixels.tiles[0].grid);
}

MediaFeatures arrange_whole(const Tensor& newline, const std::vector<MediaFeatures>& tiles) {
  MediaFeatures out;
  out.grid = tiles[0].grid;
  out.features = with_newline(tiles[0].features, newline);
  return out;
}

std::vector<FeatureBlock> blocks_pooled(const Arranged& media) {
  return with_newline(pooled(media.pixels.tiles[0].grid));
}

MediaFeatures arrange_pooled(const Tensor& newline, const std::vector<MediaFeatures>& tiles) {
  const MediaFeatures& video = tiles[0];
  const Grid grid = pooled(video.grid);
  const int64_t width = video.features.row_elements();
  Tensor all({grid.cells(), width});
  Tensor frame({video.grid.h * video.grid.w, width});
  float* to = all.data();
  for (int64_t t = 0; t < grid.t; ++t) {
    std::copy_n(video.features.row(t * video.grid.h * video.grid.w), frame.elements(), frame.data());
    const Tensor cells = resample_cells(frame, video.grid.h, video.grid.w, grid.h, grid.w);
    to = std::copy_n(cells.data(), cells.elements(), to);
  }
  MediaFeatures out;
  out.grid = grid;
  out.features = with_newline(all, newline);
  return out;
}

}  // namespace azimuth::vision
