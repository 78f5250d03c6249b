// What the Idefics line writes around its tiles and frames (transformers: the processors named in expansion.h).
#include <gtest/gtest.h>

#include "prompt/expansion/expansion.h"

namespace azimuth::prompt {
namespace {

MediaMarkup markup() {
  MediaMarkup out;
  out.placeholder = "<i>";
  out.start = out.end = "<f>";
  return out;
}

std::vector<FeatureBlock> tiles(int count) {
  std::vector<FeatureBlock> blocks(static_cast<size_t>(count));
  for (int tile = 0; tile < count; ++tile) {
    FeatureBlock& block = blocks[static_cast<size_t>(tile)];
    block.grid = {1, 1, 2};
    block.features = 2;
    block.tile = tile;
    block.tiles = count;
  }
  return blocks;
}

TEST(SplitTiles, RowsThenTheWholeImage) {
  const Expansion expansion = expand_split_tiles(markup(), 3, tiles(5), 2);
  EXPECT_EQ(expansion.text,
            "<f><row_1_col_1><i><i><f><row_1_col_2><i><i>\n<f><row_2_col_1><i><i><f><row_2_col_2><i><i>\n"
            "\n<f><global-img><i><i><f>");
  ASSERT_EQ(expansion.spans.size(), 5u);
  EXPECT_EQ(expansion.spans[4].tile, 4);
  EXPECT_EQ(expansion.spans[4].media, 3);
}

TEST(SplitTiles, AnUndividedImageIsTheWholeOne) {
  EXPECT_EQ(expand_split_tiles(markup(), 0, tiles(1), 1).text, "<f><global-img><i><i><f>");
}

TEST(MarkedTiles, OneMarkerBetweenTiles) {
  EXPECT_EQ(expand_marked_tiles(markup(), 0, tiles(2)).text, "<f><i><i><f><i><i><f>");
}

TEST(DescribedFrames, NameCountLengthAndTimes) {
  VideoTiming timing;
  timing.group_seconds = {0.9, 3725.0};
  const Expansion expansion = expand_described_frames(markup(), 0, {{2, 1, 1}, timing, 21, 90061});
  EXPECT_EQ(expansion.text,
            "You are provided the following series of twenty-one frames from a 1 day, 1:01:01 [H:MM:SS] video.\n"
            "\nFrame from 00:00:<f><global-img><i><f>\nFrame from 62:05:<f><global-img><i><f>\n\n");
  ASSERT_EQ(expansion.spans.size(), 2u);
  EXPECT_EQ(expansion.spans[1].start_seconds, 3725.0);
  EXPECT_EQ(expansion.spans[1].grid, (Grid{1, 1, 1}));
}

}  // namespace
}  // namespace azimuth::prompt
