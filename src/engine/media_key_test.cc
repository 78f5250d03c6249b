#include "engine/media_key.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>

#include "engine/prepare.h"
#include "kernels/kernels.h"

namespace azimuth::engine {
namespace {

constexpr float kStep = 0.125f;

preprocess::Patches patches(Grid grid, int64_t width, float first) {
  preprocess::Patches out;
  out.grid = grid;
  out.pixels = Tensor({grid.cells(), width});
  for (int64_t i = 0; i < out.pixels.elements(); ++i) out.pixels.data()[i] = first + kStep * static_cast<float>(i);
  out.resized = {grid.h * 4, grid.w * 4};
  return out;
}

preprocess::MediaPixels picture(float first = 0.0f) {
  preprocess::MediaPixels pixels;
  pixels.tiles.push_back(patches({1, 2, 6}, 5, first));
  pixels.tiles.push_back(patches({1, 4, 4}, 5, first));
  pixels.tile_columns = 2;
  pixels.global_tile = 1;
  pixels.source = {30, 70};
  pixels.blocks = {{{1, 1, 3}, 3}, {{1, 2, 2}, 4}};
  return pixels;
}

ContentHash key(const preprocess::MediaPixels& pixels, bool video = false) {
  ThreadPool pool(1);
  return media_key(pixels, video, pool);
}

TEST(MediaKey, IsThatOfTheSameContent) {
  EXPECT_EQ(key(picture()), key(picture()));
  ThreadPool pool(3);
  EXPECT_EQ(media_key(picture(), false, pool), key(picture()));
}

// One change each: of a pixel, of the size, of what preprocessing made of the same pixels.
TEST(MediaKey, WhateverTheTowerReadsChangesIt) {
  using Change = std::function<void(preprocess::MediaPixels&)>;
  const std::vector<Change> changes = {
      [](auto& p) { p.tiles[0].pixels.data()[0] += kStep; },
      [](auto& p) { p.tiles[1].pixels.data()[79] = -p.tiles[1].pixels.data()[79]; },
      [](auto& p) {
        p.tiles[0].grid = {1, 6, 2};
      },
      [](auto& p) {
        p.tiles[0].grid = {2, 1, 6};
      },
      [](auto& p) {
        p.tiles[0].pixels.reshape({6, 10});
      },
      [](auto& p) { p.tiles[0].resized.width += 1; },
      [](auto& p) { p.tiles[0].padded_rows = 16; },
      [](auto& p) { std::swap(p.tiles[0], p.tiles[1]); },
      [](auto& p) { p.tiles.pop_back(); },
      [](auto& p) { std::swap(p.tile_rows, p.tile_columns); },
      [](auto& p) { p.global_tile = 0; },
      [](auto& p) { std::swap(p.source.height, p.source.width); },
      [](auto& p) { p.tf4 = true; },
      [](auto& p) { p.blocks[0].features = 4; },
      [](auto& p) {
        p.blocks[0].grid = {1, 3, 1};
      },
      [](auto& p) { p.blocks[0].delivery = Delivery::row_suffix; },
      [](auto& p) { p.blocks[1].global_tile = true; },
      [](auto& p) { p.blocks[1].tile = 1; },
  };
  std::map<ContentHash, size_t> seen = {{key(picture()), changes.size()}, {key(picture(), true), changes.size()}};
  ASSERT_EQ(seen.size(), 2u) << "a video of the same pixels";
  for (size_t i = 0; i < changes.size(); ++i) {
    preprocess::MediaPixels pixels = picture();
    changes[i](pixels);
    EXPECT_TRUE(seen.emplace(key(pixels), i).second) << "change " << i;
  }
}

TEST(MediaKey, IsOfOneLevelOfKernels) {
  if (kernels::available_levels().size() < 2) GTEST_SKIP() << "one level only";
  const kernels::CpuLevel before = kernels::active_level();
  ASSERT_TRUE(kernels::force_level(kernels::available_levels().back()).ok());
  const ContentHash best = key(picture());
  ASSERT_TRUE(kernels::force_level(kernels::available_levels().front()).ok());
  EXPECT_NE(key(picture()), best);
  ASSERT_TRUE(kernels::force_level(kernels::available_levels().back()).ok());
  EXPECT_EQ(key(picture()), best);
  ASSERT_TRUE(kernels::force_level(before).ok());
}

TEST(MediaKeys, KeepTheOrderOfTheRequest) {
  ThreadPool pool(1);
  PreparedSample sample;
  sample.images.push_back(picture(0.0f));
  sample.images.push_back(picture(1.0f));
  sample.videos.emplace_back().media = picture(0.0f);
  const MediaKeys keys = media_keys(sample, pool);
  std::swap(sample.images[0], sample.images[1]);
  const MediaKeys swapped = media_keys(sample, pool);
  EXPECT_NE(keys.images, swapped.images);
  EXPECT_EQ(keys.images[0], swapped.images[1]);
  EXPECT_NE(keys.videos[0], keys.images[0]);
}

}  // namespace
}  // namespace azimuth::engine
