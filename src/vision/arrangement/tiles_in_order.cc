// Tile after tile, frame after frame, as the tower made them.
#include <algorithm>

#include "vision/arrangement/arrangement.h"

namespace azimuth::vision {
namespace {

Tensor stack(const std::vector<const Tensor*>& parts) {
  int64_t rows = 0;
  for (const Tensor* part : parts) rows += part->shape()[0];
  Tensor out({rows, parts[0]->row_elements()});
  float* to = out.data();
  for (const Tensor* part : parts) to = std::copy_n(part->data(), part->elements(), to);
  return out;
}

}  // namespace

std::vector<FeatureBlock> blocks_in_order(const Arranged& media) {
  std::vector<FeatureBlock> blocks;
  const auto add = [&](const Grid& grid, bool global) {
    FeatureBlock block;
    block.grid = grid;
    block.features = grid.cells();
    block.tile = static_cast<int>(blocks.size());
    block.global_tile = global;
    blocks.push_back(block);
  };
  // Class tokens stand in front of the cells of their tile, in a row of their own.
  const bool classes = media.spec.class_features && media.spec.projector.queries == 0;
  for (size_t tile = 0; tile < media.pixels.tiles.size(); ++tile) {
    if (classes) add({1, 1, media.spec.class_tokens}, false);
    add(media.spec.projector.merged(media.pixels.tiles[tile].grid), static_cast<int>(tile) == media.pixels.global_tile);
  }
  for (FeatureBlock& block : blocks) block.tiles = static_cast<int>(blocks.size());
  return blocks;
}

MediaFeatures arrange_in_order(std::vector<MediaFeatures> tiles) {
  if (tiles.size() == 1) return std::move(tiles[0]);
  MediaFeatures out;
  out.grid = tiles[0].grid;
  std::vector<const Tensor*> parts;
  for (const MediaFeatures& tile : tiles) {
    parts.push_back(&tile.features);
    out.arrays.push_back(tile.features.shape()[0]);
  }
  out.features = stack(parts);
  for (size_t level = 0; level < tiles[0].deepstack.size(); ++level) {
    parts.clear();
    for (const MediaFeatures& tile : tiles) parts.push_back(&tile.deepstack[level]);
    out.deepstack.push_back(stack(parts));
  }
  return out;
}

}  // namespace azimuth::vision
