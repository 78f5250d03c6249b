// OmniGen2's table, in which each axis has a complete spectrum of its own (positions.md 3.12).
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "positions/policy.h"
#include "positions/rotary_table.h"

namespace azimuth::positions {
namespace {

using nlohmann::json;

TEST(Omni, OwnSpectraEqualTheVectors) {
  const json entry =
      json::parse(std::ifstream(std::string(AZIMUTH_SOURCE_DIR) +
                                "/tests/golden/positions/vectors.json"))["tables"]["cos_sin"]["omnigen2_official"];
  RopeSpec rope;
  rope.rotary_dim = 16;  // axes_dim 4 + 6 + 6
  rope.theta = entry["theta"];
  const PolicyInstance policy = *find_policy("omni:own_spectrum=1,section=2-3-3");
  const Result<FrequencyPlan> plan = make_plan(policy, {.rope = rope});
  ASSERT_TRUE(plan.ok()) << plan.status().message();
  const PositionTable table = *layout_prompt(policy, *parse_segments("t2 i1x2x3 i1x2x3"), {});
  RotaryTable rotary;
  append_rotary(*plan, table.sets[0].ids.data(), table.sets[0].tokens(), 3, rotary);
  ASSERT_EQ(rotary.cosines.size(), entry["cos"].size() * 8);
  for (size_t i = 0; i < rotary.cosines.size(); ++i) {
    EXPECT_NEAR(rotary.cosines[i], entry["cos"][i / 8][i % 8].get<double>(), 1e-6) << "token " << i / 8;
    EXPECT_NEAR(rotary.sines[i], entry["sin"][i / 8][i % 8].get<double>(), 1e-6) << "token " << i / 8;
  }
}

}  // namespace
}  // namespace azimuth::positions
