// CircleRoPE's alternating layers (positions.md 3.11).
#include <gtest/gtest.h>

#include "positions/policy.h"

namespace azimuth::positions {
namespace {

// The id set of each layer: 0 the circle, 1 plain M-RoPE ids.
std::vector<int> sets_of(const std::string& age, int layers) {
  const std::vector<Span> spans = *parse_segments("t2 i1x2x3 t1");
  Result<PositionTable> table = layout_prompt(*find_policy("circle:age=" + age), spans, {.layers = layers});
  EXPECT_TRUE(table.ok()) << table.status().message();
  return table->set_of_layer;
}

TEST(CircleAge, LayersTakeTheirSetByTheStrategy) {
  EXPECT_EQ(sets_of("strategy_4", 5), (std::vector<int>{0, 1, 0, 1, 0}));
  EXPECT_EQ(sets_of("strategy_2", 4), (std::vector<int>{0, 0, 1, 1}));
  EXPECT_EQ(sets_of("strategy_3", 4), (std::vector<int>{1, 1, 0, 0}));
  EXPECT_TRUE(sets_of("none", 4).empty());
}

}  // namespace
}  // namespace azimuth::positions
