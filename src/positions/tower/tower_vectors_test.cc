// The tower tables of tests/golden/positions/vectors.json, at the file's own tolerances, and those of
// tests/golden/tower/ (tests/oracle/tower_goldens.py): odd grids and random heads by the reference's own classes.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "positions/tower/grid_taps.h"
#include "positions/tower/rotary_rules.h"
#include "positions/tower/tower_rotary.h"

namespace azimuth::positions {
namespace {

using nlohmann::json;

json read_golden(const std::string& path) {
  return json::parse(std::ifstream(std::string(AZIMUTH_SOURCE_DIR) + "/tests/golden/" + path));
}

const json& vision_vector(const std::string& key) {
  static const json all = read_golden("positions/vectors.json")["tables"]["vision"];
  return all.at(key);
}

std::vector<float> flatten(const json& nested) {
  if (!nested.is_array()) return {nested.get<float>()};
  std::vector<float> values;
  for (const json& each : nested) {
    const std::vector<float> inner = flatten(each);
    values.insert(values.end(), inner.begin(), inner.end());
  }
  return values;
}

void expect_near(const std::vector<float>& found, const std::vector<float>& expected, double tolerance) {
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) ASSERT_NEAR(found[i], expected[i], tolerance) << "element " << i;
}

VisionSpec spec_of(TowerRotary rotary, int heads, int head_dim, double theta) {
  VisionSpec vision;
  vision.rotary = rotary;
  vision.heads = heads;
  vision.head_dim = head_dim;
  vision.rotary_theta = theta;
  return vision;
}

TowerRotation rotation_of(const VisionSpec& vision, const std::vector<PatchPosition>& patches) {
  Result<TowerRotation> rotation = tower_rotation(vision, patches);
  EXPECT_TRUE(rotation.ok()) << rotation.status().message();
  return std::move(*rotation);
}

// Turns x [patches, heads, head_dim] as HeadRotation says, written out: what kernels::rotate does for the tower.
std::vector<float> turn(const TowerRotation& rotations, int heads, int head_dim, std::vector<float> x) {
  for (const HeadRotation& rotation : rotations) {
    const int pairs = rotation.table.pairs;
    const bool halves = rotation.pairing == Pairing::halves;
    const size_t rows = x.size() / static_cast<size_t>(heads * head_dim);
    for (size_t row = 0; row < rows * static_cast<size_t>(heads); ++row) {
      const size_t head = row % static_cast<size_t>(heads);
      const size_t patch = row / static_cast<size_t>(heads);
      const size_t group = head / static_cast<size_t>(heads / rotation.table.groups);
      float* channels = x.data() + row * static_cast<size_t>(head_dim) + rotation.first_channel;
      for (int pair = 0; pair < pairs; ++pair) {
        float& a = channels[halves ? pair : 2 * pair];
        float& b = channels[halves ? pair + pairs : 2 * pair + 1];
        const size_t at = (patch * static_cast<size_t>(rotation.table.groups) + group) * static_cast<size_t>(pairs) +
                          static_cast<size_t>(pair);
        const float cosine = rotation.table.cosines[at];
        const float sine = rotation.table.sines[at];
        const float turned = a * cosine - b * sine;
        b = b * cosine + a * sine;
        a = turned;
      }
    }
  }
  return x;
}

std::vector<PatchPosition> positions_of(const json& pairs, bool column_first) {
  std::vector<PatchPosition> patches;
  for (const json& pair : pairs) patches.push_back({pair[column_first ? 1 : 0], pair[column_first ? 0 : 1]});
  return patches;
}

// The table of a plan of halves is written twice in a row of the vectors.
std::vector<float> first_half_of_rows(const json& rows) {
  std::vector<float> values;
  for (const json& row : rows) {
    for (size_t i = 0; i < row.size() / 2; ++i) values.push_back(row[i]);
  }
  return values;
}

TEST(Tower, PatchesComeInMergeBlockOrder) {
  const json& entry = vision_vector("qwen_vit_patch_ids");
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

TEST(Tower, PatchesComeInRasterOrder) {
  std::vector<std::vector<int>> found;
  for (const PatchPosition& p : patch_positions(PatchOrder::raster, {1, 2, 3}, 1)) found.push_back({p.row, p.column});
  EXPECT_EQ(found, (std::vector<std::vector<int>>{{0, 0}, {0, 1}, {0, 2}, {1, 0}, {1, 1}, {1, 2}}));
}

TEST(Tower, AxialHalvesEqualTheVectors) {
  const json& entry = vision_vector("qwen_vit_rope_hd16");
  const VisionSpec vision = spec_of(TowerRotary::axial_halves, 1, entry["head_dim"], entry["base"]);
  const TowerRotation rotation = rotation_of(vision, positions_of(entry["hw"], false));
  ASSERT_EQ(rotation.size(), 1u);
  EXPECT_EQ(rotation[0].pairing, Pairing::halves);
  expect_near(rotation[0].table.cosines, first_half_of_rows(entry["cos"]), 1e-6);
  expect_near(rotation[0].table.sines, first_half_of_rows(entry["sin"]), 1e-6);
}

TEST(Tower, AxialSplitEqualsTheVectors) {
  const json& entry = vision_vector("gemma4_vit_rope_hd16");
  const VisionSpec vision = spec_of(TowerRotary::axial_split, 1, entry["head_dim"], entry["base"]);
  const TowerRotation rotation = rotation_of(vision, positions_of(entry["xy"], true));
  ASSERT_EQ(rotation.size(), 2u);
  const auto patches = entry["xy"].size();
  for (size_t half = 0; half < 2; ++half) {
    EXPECT_EQ(rotation[half].first_channel, half == 0 ? 0 : 8);
    for (size_t i = 0; i < patches * 4; ++i) {  // a row of the vectors is x, x, y, y
      EXPECT_NEAR(rotation[half].table.cosines[i], entry["cos"][i / 4][half * 8 + i % 4].get<double>(), 1e-6);
      EXPECT_NEAR(rotation[half].table.sines[i], entry["sin"][i / 4][half * 8 + i % 4].get<double>(), 1e-6);
    }
  }
  std::vector<float> q;
  for (size_t i = 0; i < patches * 16; ++i) q.push_back(static_cast<float>(i % 16 + 1) / 10.0f);
  expect_near(turn(rotation, 1, 16, q), flatten(entry["q_rot"]), 1e-6);
}

TEST(Tower, AxialInterleavedEqualsTheVectors) {
  const json& entry = vision_vector("rope_vit_axial_hd16");
  const VisionSpec vision = spec_of(TowerRotary::axial_interleaved, 1, entry["head_dim"], entry["theta"]);
  const TowerRotation rotation =
      rotation_of(vision, patch_positions(PatchOrder::raster, {1, entry["end_y"], entry["end_x"]}, 1));
  ASSERT_EQ(rotation.size(), 1u);
  EXPECT_EQ(rotation[0].pairing, Pairing::interleaved);
  expect_near(rotation[0].table.cosines, flatten(entry["cos"]), 1e-6);
  expect_near(rotation[0].table.sines, flatten(entry["sin"]), 1e-6);
}

TEST(Tower, MixedEqualsTheVectors) {
  const json& entry = vision_vector("rope_vit_mixed_hd8_heads2");
  const VisionSpec vision = spec_of(TowerRotary::mixed, entry["heads"], entry["head_dim"], 10.0);
  std::vector<float> frequencies = flatten(entry["freqs_x"]);
  const std::vector<float> of_y = flatten(entry["freqs_y"]);
  frequencies.insert(frequencies.end(), of_y.begin(), of_y.end());
  const auto patches = patch_positions(PatchOrder::raster, {1, entry["end_y"], entry["end_x"]}, 1);
  const TowerRotation rotation = mixed_rotation(vision, patches, frequencies);
  ASSERT_EQ(rotation.size(), 1u);
  const RotaryTable& table = rotation[0].table;  // [patches, heads, pairs]; the vectors are [heads, patches, pairs]
  ASSERT_EQ(table.cosines.size(), patches.size() * 8);
  for (size_t i = 0; i < table.cosines.size(); ++i) {
    const size_t patch = i / 8;
    const size_t head = i / 4 % 2;
    EXPECT_NEAR(table.cosines[i], entry["cos"][head][patch][i % 4].get<double>(), 1e-6);
    EXPECT_NEAR(table.sines[i], entry["sin"][head][patch][i % 4].get<double>(), 1e-6);
  }
}

// Turned channels are sums of two products of numbers below 4: 1e-6 is two units in their last place.
TEST(Tower, HeadsTurnAsTheReferenceTurnsThem) {
  const std::map<std::string, TowerRotary> kinds = {{"axial_halves", TowerRotary::axial_halves},
                                                    {"axial_split", TowerRotary::axial_split},
                                                    {"axial_interleaved", TowerRotary::axial_interleaved},
                                                    {"mixed", TowerRotary::mixed}};
  const json golden = read_golden("tower/rotary.json");
  for (const json& entry : golden["cases"]) {
    const VisionSpec vision = spec_of(kinds.at(entry["kind"]), entry["heads"], entry["head_dim"], entry["theta"]);
    SCOPED_TRACE(entry["kind"].get<std::string>() + ", head_dim " + std::to_string(vision.head_dim));
    std::vector<PatchPosition> patches;
    for (size_t i = 0; i < entry["rows"].size(); ++i) patches.push_back({entry["rows"][i], entry["columns"][i]});
    const TowerRotation rotation = vision.rotary == TowerRotary::mixed
                                       ? mixed_rotation(vision, patches, flatten(entry["frequencies"]))
                                       : rotation_of(vision, patches);
    expect_near(turn(rotation, vision.heads, vision.head_dim, flatten(entry["x"])), flatten(entry["turned"]), 2e-6);
  }
  EXPECT_EQ(golden["cases"].size(), 12u);
}

TEST(Tower, MixedFrequenciesStartAtRightAngles) {
  const json start = read_golden("tower/rotary.json")["mixed_start"];
  expect_near(initial_mixed_frequencies(start["theta"], start["head_dim"], flatten(start["angles"])),
              flatten(start["frequencies"]), 1e-6);
}

TEST(Tower, RefusesHeadsThatTwoAxesCannotShare) {
  for (const TowerRotary rotary :
       {TowerRotary::axial_halves, TowerRotary::axial_split, TowerRotary::axial_interleaved, TowerRotary::mixed}) {
    const Status refused = tower_rotation(spec_of(rotary, 1, 6, 100.0), {{0, 0}}).status();
    EXPECT_EQ(refused.code(), StatusCode::invalid_argument);
    EXPECT_NE(refused.message().find("multiple of 4"), std::string::npos) << refused.message();
  }
  EXPECT_TRUE(rotation_of(spec_of(TowerRotary::none, 1, 6, 100.0), {{0, 0}}).empty());
}

GridResample rule_of(const std::string& name) {
  if (name == "bicubic") return GridResample::bicubic;
  return name == "bilinear" ? GridResample::bilinear : GridResample::bilinear_corners;
}

// A table [side * side, 2] resampled to a grid, [patches, 2].
std::vector<float> resampled(GridResample rule, int side, const Grid& grid, int merge,
                             const std::vector<float>& table) {
  const PatchOrder order = merge > 1 ? PatchOrder::merge_blocks : PatchOrder::raster;
  const GridTaps taps = learned_grid_taps(rule, side, grid, patch_positions(order, grid, merge));
  std::vector<float> values(static_cast<size_t>(grid.cells()) * 2);
  for (size_t i = 0; i < taps.weight.size(); ++i) {
    for (size_t channel = 0; channel < 2; ++channel) {
      values[i / static_cast<size_t>(taps.per_patch) * 2 + channel] +=
          taps.weight[i] * table[static_cast<size_t>(taps.index[i]) * 2 + channel];
    }
  }
  return values;
}

TEST(Tower, LearnedGridsEqualTheVectors) {
  for (const auto& [key, rule] :
       {std::pair("learned_grid_interp_bilinear_align1_4x4_to_6x4_merge2", GridResample::bilinear_corners),
        std::pair("learned_grid_interp_bicubic_align0_4x4_to_6x4_merge1", GridResample::bicubic),
        std::pair("learned_grid_interp_bilinear_align0_4x4_to_2x6_merge1", GridResample::bilinear)}) {
    SCOPED_TRACE(key);
    const json& entry = vision_vector(key);
    std::vector<float> table;
    for (int k = 0; k < 16; ++k) {
      table.push_back(static_cast<float>(k));
      table.push_back(static_cast<float>(k * k) / 10.0f);
    }
    const Grid grid{1, entry["target"][0], entry["target"][1]};
    expect_near(resampled(rule, entry["side"], grid, entry["merge"], table), flatten(entry["values"]), 1e-5);
  }
}

// Up to 16 products of weights (their moduli add up to less than 2) and values below 4, in f32: the bound on their
// sum's rounding is 16 * 2^-24 * 8 = 8e-6; the source coordinate, below 8, moves a weight by at most 2 * 2^-21, 1e-6.
TEST(Tower, LearnedGridsAreResampledAsTheReferenceDoes) {
  const json golden = read_golden("tower/grids.json");
  for (const json& entry : golden["cases"]) {
    const Grid grid{1, entry["grid"][0], entry["grid"][1]};
    SCOPED_TRACE(entry["rule"].get<std::string>() + " " + entry["side"].dump() + " to " + entry["grid"].dump());
    expect_near(resampled(rule_of(entry["rule"]), entry["side"], grid, entry["merge"], flatten(entry["table"])),
                flatten(entry["values"]), 1e-5);
  }
  EXPECT_EQ(golden["cases"].size(), 24u);
}

// SigLIP and ViT skip resampling where the grid fits; resampling to the same grid changes no bit, so nothing is
// skipped.
TEST(Tower, AGridThatFitsIsTakenAsItIs) {
  std::vector<float> table;
  for (int k = 0; k < 50; ++k) table.push_back(std::sin(static_cast<float>(k * k)));
  for (const GridResample rule : {GridResample::bilinear_corners, GridResample::bilinear, GridResample::bicubic}) {
    EXPECT_EQ(resampled(rule, 5, {1, 5, 5}, 1, table), table);
  }
}

}  // namespace
}  // namespace azimuth::positions
