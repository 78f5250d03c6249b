// Which cells and newlines the decoder gets of a divided picture and of a video, on features that are their own
// numbers.
#include "vision/arrangement/arrangement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "vision/arrangement/resample_cells.h"

namespace azimuth::vision {
namespace {

constexpr float kNewline = -1.0f;

class Arrangement : public ::testing::Test {
 protected:
  Arrangement() : newline({1}) { newline.data()[0] = kNewline; }

  // `rows` x `columns` tiles of side x side cells behind the whole picture; tile i has the cells 100 i, 100 i + 1, ...
  void divide(int64_t rows, int64_t columns, int64_t side, preprocess::PixelSize source) {
    pixels.source = source;
    pixels.tile_rows = rows;
    pixels.tile_columns = columns;
    for (int64_t i = 0; i <= rows * columns; ++i) add_tile({1, side, side}, 100.0f * static_cast<float>(i));
  }

  void add_tile(const Grid& grid, float first) {
    preprocess::Patches patches;
    patches.grid = grid;
    pixels.tiles.push_back(std::move(patches));
    MediaFeatures features;
    features.grid = grid;
    features.features = Tensor({grid.cells(), 1});
    for (int64_t i = 0; i < grid.cells(); ++i) features.features.data()[i] = first + static_cast<float>(i);
    tiles.push_back(std::move(features));
  }

  std::vector<FeatureBlock> blocks(bool video = false, int images = 1) {
    Result<std::vector<FeatureBlock>> found = feature_blocks({spec, pixels, video, images});
    EXPECT_TRUE(found.ok());
    return std::move(*found);
  }

  static std::vector<float> values(const MediaFeatures& media) {
    return {media.features.data(), media.features.data() + media.features.elements()};
  }

  VisionSpec spec;
  preprocess::MediaPixels pixels;
  std::vector<MediaFeatures> tiles;
  Tensor newline;
};

TEST_F(Arrangement, RowsRunAcrossTilesAndEndWithANewline) {
  spec.arrangement = FeatureArrangement::unpadded_rows;
  divide(1, 2, 2, {40, 20});
  const std::vector<FeatureBlock> found = blocks();
  ASSERT_EQ(found.size(), 2u);
  EXPECT_TRUE(found[0].global_tile);
  EXPECT_EQ(found[1].grid, (Grid{1, 2, 4}));
  EXPECT_EQ(found[1].features, 10);
  EXPECT_EQ(found[1].delivery, Delivery::row_suffix);
  EXPECT_EQ(values(arrange_unpadded(spec, newline, pixels, tiles)),
            (std::vector<float>{0, 1, 2, 3, 100, 101, 200, 201, kNewline, 102, 103, 202, 203, kNewline}));
}

TEST_F(Arrangement, BarsAreLeftOutByHalves) {
  spec.arrangement = FeatureArrangement::unpadded_rows;
  divide(2, 2, 2, {40, 20});
  EXPECT_EQ(blocks()[1].grid, (Grid{1, 2, 4}));
  EXPECT_EQ(values(arrange_unpadded(spec, newline, pixels, tiles)),
            (std::vector<float>{0, 1, 2, 3, 102, 103, 202, 203, kNewline, 300, 301, 400, 401, kNewline}));
  pixels.source = {20, 40};
  EXPECT_EQ(blocks()[1].grid, (Grid{1, 4, 2}));
}

// 49 * (2 / 98) is 1 but for the last bit, so that no row would be left.
TEST_F(Arrangement, LengthsJustBelowAWholeNumberAreWhole) {
  spec.arrangement = FeatureArrangement::unpadded_rows;
  divide(2, 2, 1, {98, 49});
  ASSERT_EQ(blocks().size(), 2u);
  EXPECT_EQ(blocks()[1].grid.h, 2);
}

TEST_F(Arrangement, APictureMayBeTooNarrowForARowOfItsOwn) {
  spec.arrangement = FeatureArrangement::unpadded_rows;
  divide(1, 2, 2, {400, 1});
  EXPECT_EQ(blocks().size(), 1u);
  EXPECT_EQ(values(arrange_unpadded(spec, newline, pixels, tiles)), (std::vector<float>{0, 1, 2, 3}));
}

TEST_F(Arrangement, TooManyCellsAreResampled) {
  spec.arrangement = FeatureArrangement::unpadded_or_whole;
  spec.most_tiles = 1;
  divide(2, 2, 2, {40, 40});
  const std::vector<FeatureBlock> found = blocks();
  EXPECT_EQ(found[1].grid, (Grid{1, 2, 2})) << "a ratio of 2 leaves half of each side";
  const std::vector<float> rows = values(arrange_unpadded(spec, newline, pixels, tiles));
  ASSERT_EQ(rows.size(), 4u + 6u);
  EXPECT_FLOAT_EQ(rows[4], (100 + 101 + 102 + 103) / 4.0f);
  EXPECT_EQ(rows[6], kNewline);
  spec.most_tiles = 9;
  EXPECT_EQ(blocks()[1].grid, (Grid{1, 4, 4})) << "few cells stay as they are";
}

TEST_F(Arrangement, WholePicturesEndWithOneNewline) {
  spec.arrangement = FeatureArrangement::unpadded_or_whole;
  add_tile({1, 1, 2}, 5);
  const std::vector<FeatureBlock> found = blocks(false, 2);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[1].grid, (Grid{1, 1, 1})) << "the newline is a block of its own";
  EXPECT_EQ(values(arrange_whole(newline, tiles)), (std::vector<float>{5, 6, kNewline}));
}

TEST_F(Arrangement, FramesArePooledByHalvesRoundedUp) {
  spec.video_arrangement = FeatureArrangement::pooled_frames;
  add_tile({2, 3, 3}, 0);
  const std::vector<FeatureBlock> found = blocks(true);
  EXPECT_EQ(found[0].grid, (Grid{2, 2, 2}));
  const std::vector<float> rows = values(arrange_pooled(newline, tiles));
  ASSERT_EQ(rows.size(), 9u);
  EXPECT_FLOAT_EQ(rows[0], 1.0f) << "a quarter of a cell in from the corner on both axes";
  EXPECT_FLOAT_EQ(rows[4], rows[0] + 9.0f) << "the second frame";
  EXPECT_EQ(rows[8], kNewline);
}

TEST_F(Arrangement, ClassTokensStandInARowBeforeTheirTile) {
  spec.class_tokens = 1;
  spec.class_features = true;
  spec.projector.merge = 1;
  add_tile({1, 2, 2}, 0);
  const std::vector<FeatureBlock> found = blocks();
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].features, 1);
  EXPECT_EQ(found[1].features, 4);
}

TEST(ResampleCells, TheSameSizeIsACopy) {
  Tensor cells({6, 1});
  for (int64_t i = 0; i < 6; ++i) cells.data()[i] = static_cast<float>(i);
  const Tensor out = resample_cells(cells, 2, 3, 2, 3);
  for (int64_t i = 0; i < 6; ++i) EXPECT_EQ(out.data()[i], cells.data()[i]);
}

}  // namespace
}  // namespace azimuth::vision
