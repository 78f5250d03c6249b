#include "engine/media_key.h"

#include "engine/prepare.h"

namespace azimuth::engine {
namespace {

void add(const Grid& grid, ContentHasher& hasher) {
  for (const int64_t size : {grid.t, grid.h, grid.w}) hasher.number(size);
}

void add(const preprocess::PixelSize& size, ContentHasher& hasher) {
  hasher.number(size.height);
  hasher.number(size.width);
}

void add(const FeatureBlock& block, ContentHasher& hasher) {
  add(block.grid, hasher);
  hasher.number(block.features);
  hasher.number(static_cast<int64_t>(block.delivery));
  hasher.number(block.tile);
  hasher.number(block.tiles);
  hasher.number(block.global_tile ? 1 : 0);
}

void add(const preprocess::Patches& tile, ContentHasher& hasher, ThreadPool& pool) {
  add(tile.grid, hasher);
  add(tile.resized, hasher);
  hasher.number(tile.padded_rows);
  const Shape& shape = tile.pixels.shape();
  hasher.number(shape.rank());
  for (int axis = 0; axis < shape.rank(); ++axis) hasher.number(shape[axis]);
  hasher.large({tile.pixels.data(), static_cast<size_t>(tile.pixels.elements())}, pool);
}

// Features in place of pixels. No tower's key holds this word.
void add(const MediaFeatures& given, ContentHasher& hasher, ThreadPool& pool) {
  const auto add_rows = [&](const Tensor& rows) {
    hasher.number(rows.shape()[0]);
    hasher.number(rows.row_elements());
    hasher.large({rows.data(), static_cast<size_t>(rows.elements())}, pool);
  };
  hasher.text("features");
  hasher.number(given.filled_rows);
  add_rows(given.features);
  hasher.number(static_cast<int64_t>(given.deepstack.size()));
  for (const Tensor& level : given.deepstack) add_rows(level);
}

}  // namespace

ContentHash media_key(const preprocess::MediaPixels& pixels, bool video, ThreadPool& pool) {
  ContentHasher hasher("media");
  hasher.text(kernels::to_string(kernels::active_level()));
  hasher.number(video ? 1 : 0);
  hasher.number(pixels.tf4 ? 1 : 0);
  hasher.number(pixels.tile_rows);
  hasher.number(pixels.tile_columns);
  hasher.number(pixels.global_tile);
  add(pixels.source, hasher);
  hasher.number(static_cast<int64_t>(pixels.blocks.size()));
  for (const FeatureBlock& block : pixels.blocks) add(block, hasher);
  hasher.number(static_cast<int64_t>(pixels.tiles.size()));
  for (const preprocess::Patches& tile : pixels.tiles) add(tile, hasher, pool);
  if (pixels.given != nullptr) add(*pixels.given, hasher, pool);
  return hasher.finish();
}

MediaKeys media_keys(const PreparedSample& sample, ThreadPool& pool) {
  MediaKeys keys;
  for (const auto& image : sample.images) keys.images.push_back(media_key(image, false, pool));
  for (const auto& video : sample.videos) keys.videos.push_back(media_key(video.media, true, pool));
  return keys;
}

}  // namespace azimuth::engine
