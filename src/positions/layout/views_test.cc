// Panoramas as views: what the vectors' panoramas, whose tiles are even and fewer than their rows, cannot tell apart.
#include <gtest/gtest.h>

#include "positions/policy.h"

namespace azimuth::positions {
namespace {

// A global view of 1 x 1 cells and `tiles` of rows x columns, a text token between all of them.
std::vector<Span> panorama(int tiles, int rows, int columns) {
  std::string prompt = "t2 i1x1x1 t1";
  for (int i = 0; i < tiles; ++i) prompt += " i1x" + std::to_string(rows) + "x" + std::to_string(columns) + " t1";
  return *parse_segments(prompt);
}

PositionSet laid_out(const std::string& policy, const std::vector<Span>& spans) {
  Result<PositionTable> table = layout_prompt(*find_policy(policy), spans, {});
  EXPECT_TRUE(table.ok()) << table.status().message();
  return table->sets[0];
}

// positions.md 3.15: round is half to even. Half of 3 columns is 1.5, so that tiles move by 0, 2, 3, 4 (not 5), 6.
TEST(Views, ShiftsOfTilesAreRoundedHalfToEven) {
  const std::vector<Span> spans = panorama(5, 1, 3);
  const PositionSet plain = laid_out("mrope", spans);
  const PositionSet moved = laid_out("pano_mrope:overlap=0.5", spans);
  const std::vector<float> expected = {0, 2, 3, 4, 6};
  for (size_t tile = 0; tile < expected.size(); ++tile) {
    const Span& span = spans[3 + 2 * tile];
    for (int64_t token = span.begin; token < span.end; ++token) {
      EXPECT_EQ(moved.token(token)[0], plain.token(token)[0]);
      EXPECT_EQ(moved.token(token)[1], plain.token(token)[1]);
      EXPECT_EQ(moved.token(token)[2] - plain.token(token)[2], expected[tile]) << "tile " << tile;
    }
  }
  EXPECT_EQ(moved.next_decode, plain.next_decode);
}

// positions.md 0.5: after the last view P = P0 + max(V, H, W), whichever is largest.
TEST(Views, TextGoesOnBehindTheLargestExtentOfTheRegion) {
  const auto first_text_behind = [](int tiles, int rows, int columns) {
    const std::vector<Span> spans = panorama(tiles, rows, columns);
    return laid_out("region_relative", spans).token(spans.back().begin)[0];
  };
  EXPECT_EQ(first_text_behind(8, 2, 3), 2.0f + 9.0f);  // views, the global one included
  EXPECT_EQ(first_text_behind(2, 7, 3), 2.0f + 7.0f);
  EXPECT_EQ(first_text_behind(2, 3, 5), 2.0f + 5.0f);
}

}  // namespace
}  // namespace azimuth::positions
