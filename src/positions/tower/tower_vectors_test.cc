// The tower tables of tests/golden/positions/vectors.json. The tolerances are the file's own.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "positions/tower/patch_positions.h"

namespace azimuth::positions {
namespace {

using nlohmann::json;

const json& vectors() {
  static const json all =
      json::parse(std::ifstream(std::string(AZIMUTH_SOURCE_DIR) + "/tests/golden/positions/vectors.json"));
  return all;
}

TEST(Tower, PatchesComeInMergeBlockOrder) {
  const json& entry = vectors()["tables"]["vision"]["qwen_vit_patch_ids"];
  std::vector<std::vector<int>> found;
  for (const json& grid : entry["grid_thw_patches"]) {
    for (int frame = 0; frame < grid[0].get<int>(); ++frame) {
      for (const PatchPosition& p : patch_positions(PatchOrder::merge_blocks, {grid[0], grid[1], grid[2]}, 2)) {
        found.push_back({p.row, p.column});
      }
    }
  }
  EXPECT_EQ(found, entry["hw"].get<std::vector<std::vector<int>>>());
}

TEST(Tower, RotaryTableEqualsTheVectors) {
  const json& entry = vectors()["tables"]["vision"]["qwen_vit_rope_hd16"];
  VisionSpec vision;
  vision.head_dim = entry["head_dim"];
  vision.rotary_theta = entry["base"];
  std::vector<PatchPosition> patches;
  for (const json& hw : entry["hw"]) patches.push_back({hw[0], hw[1]});
  const RotaryTable rotary = tower_rotary(vision, patches);
  ASSERT_EQ(rotary.pairs, 8);
  for (size_t patch = 0; patch < patches.size(); ++patch) {
    for (size_t pair = 0; pair < 8; ++pair) {
      EXPECT_NEAR(rotary.cosines[patch * 8 + pair], entry["cos"][patch][pair].get<double>(), 1e-6);
      EXPECT_NEAR(rotary.sines[patch * 8 + pair], entry["sin"][patch][pair].get<double>(), 1e-6);
    }
  }
}

TEST(Tower, LearnedGridIsResampledWithAlignedCorners) {
  const json& entry = vectors()["tables"]["vision"]["learned_grid_interp_bilinear_align1_4x4_to_6x4_merge2"];
  const Grid grid{1, entry["target"][0], entry["target"][1]};
  const int side = entry["side"];
  const auto patches = patch_positions(PatchOrder::merge_blocks, grid, entry["merge"]);
  const auto taps = learned_grid_taps(GridResample::bilinear_corners, side, grid, patches);
  ASSERT_EQ(taps.size(), entry["values"].size());
  for (size_t patch = 0; patch < taps.size(); ++patch) {
    double linear = 0.0;   // table column 0 of the vectors: k
    double squared = 0.0;  // column 1: k * k / 10
    for (int i = 0; i < 4; ++i) {
      const double k = taps[patch].index[i];
      linear += taps[patch].weight[i] * k;
      squared += taps[patch].weight[i] * k * k / 10.0;
    }
    EXPECT_NEAR(linear, entry["values"][patch][0].get<double>(), 1e-5);
    EXPECT_NEAR(squared, entry["values"][patch][1].get<double>(), 1e-5);
  }
}

}  // namespace
}  // namespace azimuth::positions
