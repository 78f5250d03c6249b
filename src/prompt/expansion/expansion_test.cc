#include "prompt/expansion/expansion.h"

#include <gtest/gtest.h>

namespace azimuth::prompt {
namespace {

MediaMarkup markup() {
  MediaMarkup markup;
  markup.placeholder = "*";
  markup.start = "[";
  markup.end = "]";
  markup.after_whole = "G";
  markup.between_columns = "c";
  markup.between_rows = "r";
  return markup;
}

std::vector<FeatureBlock> blocks(int count, int64_t features) {
  FeatureBlock block;
  block.grid = {1, 1, features};
  block.features = features;
  block.tiles = count;
  return std::vector<FeatureBlock>(static_cast<size_t>(count), block);
}

TEST(NumberedFrames, EachOnALineOfItsOwn) {
  VideoTiming timing;
  timing.group_seconds = {0.0, 0.5};
  timing.step_seconds = 0.5;
  const Expansion expansion = expand_numbered_frames(markup(), 3, blocks(2, 2), timing);
  EXPECT_EQ(expansion.text, "Frame1: [**]\nFrame2: [**]");
  ASSERT_EQ(expansion.spans.size(), 2U);
  EXPECT_EQ(expansion.spans[1].kind, SpanKind::video);
  EXPECT_EQ(expansion.spans[1].media, 3);
  EXPECT_EQ(expansion.spans[1].start_seconds, 0.5);
}

TEST(TileRows, MarksStandBetweenTilesAndBehindTheWhole) {
  EXPECT_EQ(expand_tile_rows(markup(), 0, blocks(1, 3), 1).text, "[***G]");
  EXPECT_EQ(expand_tile_rows(markup(), 0, blocks(7, 1), 3).text, "[*G*c*c*r*c*c*]");
  EXPECT_EQ(expand_tile_rows(markup(), 0, blocks(4, 1), 1).text, "[*G*r*r*]");
  EXPECT_EQ(expand_tile_rows(markup(), 0, blocks(7, 1), 3).spans.size(), 7U);
}

}  // namespace
}  // namespace azimuth::prompt
