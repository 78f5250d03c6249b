// A tower of two layers for each kind of positions against tests/golden/tower/layers.json
// (tests/oracle/tower_goldens.py): a plain pre-norm transformer in torch whose rotations and tables are those of the
// references.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "base/thread_pool.h"
#include "vision/learned_positions.h"
#include "vision/tower.h"

namespace azimuth::vision {
namespace {

using nlohmann::json;

const json& golden() {
  static const json all =
      json::parse(std::ifstream(std::string(AZIMUTH_SOURCE_DIR) + "/tests/golden/tower/layers.json"));
  return all;
}

int shape_of(const char* key) {
  return golden()["shape"][key];
}

// The first shape.elements() numbers of a flat list.
Tensor tensor_of(const json& values, const Shape& shape, int64_t first = 0) {
  Tensor tensor(shape);
  for (int64_t i = 0; i < tensor.elements(); ++i) tensor.data()[i] = values.at(static_cast<size_t>(first + i));
  return tensor;
}

kernels::Linear linear_of(const json& weight_and_bias, int64_t outputs, int64_t inputs, ThreadPool& pool) {
  const Tensor weight = tensor_of(weight_and_bias[0], {outputs, inputs});
  auto packed = kernels::PackedMatrix::pack(weight.view(), kernels::WeightType::f32, pool);
  EXPECT_TRUE(packed.ok()) << packed.status().message();
  return {std::move(packed).value(), tensor_of(weight_and_bias[1], {outputs})};
}

NormWeights norm_of(const json& weight_and_bias, int64_t width) {
  return {tensor_of(weight_and_bias[0], {width}), tensor_of(weight_and_bias[1], {width})};
}

// A merger that adds nothing to the comparison: both products are the unit matrix.
ProjectorWeights unit_projector(int64_t width, ThreadPool& pool) {
  json unit = json::array(
      {std::vector<float>(static_cast<size_t>(width * width)), std::vector<float>(static_cast<size_t>(width))});
  for (int64_t i = 0; i < width; ++i) unit[0][static_cast<size_t>(i * (width + 1))] = 1.0f;
  const json ones = json::array({std::vector<float>(static_cast<size_t>(width), 1.0f), unit[1]});
  ProjectorWeights projector;
  projector.norm = norm_of(ones, shape_of("hidden"));
  projector.first = linear_of(unit, width, width, pool);
  projector.second = linear_of(unit, width, width, pool);
  return projector;
}

VisionSpec spec_of(const json& tower) {
  const std::map<std::string, TowerRotary> rotaries = {{"none", TowerRotary::none},
                                                       {"axial_halves", TowerRotary::axial_halves},
                                                       {"axial_split", TowerRotary::axial_split},
                                                       {"axial_interleaved", TowerRotary::axial_interleaved},
                                                       {"mixed", TowerRotary::mixed}};
  const std::map<std::string, GridResample> rules = {{"bilinear_corners", GridResample::bilinear_corners},
                                                     {"bilinear", GridResample::bilinear},
                                                     {"bicubic", GridResample::bicubic}};
  VisionSpec spec;
  spec.layers = shape_of("layers");
  spec.hidden = shape_of("hidden");
  spec.heads = shape_of("heads");
  spec.head_dim = shape_of("head_dim");
  spec.intermediate = shape_of("intermediate");
  spec.activation = Activation::gelu_erf;
  spec.norm_eps = golden()["shape"]["eps"];
  spec.patch = 2;  // 3 channels * 2 * 2 = 12 elements
  spec.class_tokens = tower.value("classes", 0);
  spec.class_positions = tower.value("class_positions", false);
  if (tower.contains("grid")) {
    spec.learned_side = shape_of("side");
    spec.resample = rules.at(tower["grid"]);
  }
  if (tower.value("axes", false)) spec.learned_axis_rows = shape_of("axis_rows");
  spec.rotary = rotaries.at(tower.value("rotary", "none"));
  spec.rotary_theta = tower.value("theta", 10000.0);
  spec.projector.merge = tower.value("merge", 1);
  spec.projector.output = spec.hidden * spec.projector.merge * spec.projector.merge;
  spec.order = spec.projector.merge > 1 ? PatchOrder::merge_blocks : PatchOrder::raster;
  return spec;
}

TowerLayerWeights layer_of(const json& weights, const VisionSpec& spec, ThreadPool& pool) {
  const int64_t width = int64_t{spec.heads} * spec.head_dim;
  TowerLayerWeights layer;
  layer.attention_norm = norm_of(weights["attention_norm"], spec.hidden);
  layer.qkv = linear_of(weights["qkv"], 3 * width, spec.hidden, pool);
  layer.output = linear_of(weights["output"], spec.hidden, width, pool);
  layer.mlp_norm = norm_of(weights["mlp_norm"], spec.hidden);
  layer.up = linear_of(weights["up"], spec.intermediate, spec.hidden, pool);
  layer.down = linear_of(weights["down"], spec.hidden, spec.intermediate, pool);
  if (spec.rotary == TowerRotary::mixed) {
    layer.mixed_frequencies = tensor_of(weights["mixed_frequencies"], {2, spec.heads, spec.head_dim / 2});
  }
  return layer;
}

TowerWeights weights_of(const VisionSpec& spec, ThreadPool& pool) {
  const json& all = golden()["weights"];
  TowerWeights weights;
  weights.patch = linear_of(all["patch"], spec.hidden, spec.patch_elements(), pool);
  if (spec.class_tokens > 0) {
    weights.class_tokens = tensor_of(all["class_tokens"], {spec.class_tokens, spec.hidden});
  }
  if (spec.learned_side > 0) {
    const int64_t classes = spec.class_positions ? spec.class_tokens : 0;
    json table = json::array();
    for (int64_t i = 0; i < classes * spec.hidden; ++i) {
      table.push_back(all["class_positions"][static_cast<size_t>(i)]);
    }
    table.insert(table.end(), all["grid"].begin(), all["grid"].end());
    weights.learned_grid = tensor_of(table, {classes + spec.learned_side * spec.learned_side, spec.hidden});
  }
  if (spec.learned_axis_rows > 0) {
    weights.learned_axes = tensor_of(all["axes"], {2, spec.learned_axis_rows, spec.hidden});
  }
  for (const json& layer : all["layers"]) weights.layers.push_back(layer_of(layer, spec, pool));
  weights.projector = unit_projector(spec.projector.output, pool);
  return weights;
}

Grid golden_grid() {
  const json& grid = golden()["shape"]["grid"];
  return {grid[0], grid[1], grid[2]};
}

Tensor golden_patches() {
  return tensor_of(golden()["weights"]["patches"], {golden_grid().cells(), shape_of("elements")});
}

// The largest difference in units of the standard deviation of `expected`.
double difference(const std::vector<float>& found, const std::vector<float>& expected) {
  double mean = 0.0;
  for (const float value : expected) mean += value / static_cast<double>(expected.size());
  double variance = 0.0;
  double largest = 0.0;
  for (size_t i = 0; i < expected.size(); ++i) {
    variance += (expected[i] - mean) * (expected[i] - mean) / static_cast<double>(expected.size());
    largest = std::max(largest, std::fabs(static_cast<double>(found[i]) - expected[i]));
  }
  return largest / std::sqrt(variance);
}

class TowerPositions : public ::testing::TestWithParam<const char*> {
 protected:
  const json& tower() const { return golden()["towers"][GetParam()]; }
  RunContext context(const Tap* tap = nullptr) { return {.pool = pool_, .tap = tap, .progress = {}}; }
  ThreadPool pool_{2};
};

TEST_P(TowerPositions, LayersEqualTheReference) {
  const VisionSpec spec = spec_of(tower());
  std::vector<std::vector<float>> layers;
  const Tap tap = [&](const TapPoint& point, const TensorView& tensor) {
    if (point.stage != Stage::tower_layer) return;
    layers.emplace_back(tensor.as<float>(), tensor.as<float>() + tensor.shape.elements());
  };
  const Tower built(spec, weights_of(spec, pool_));
  const Result<MediaFeatures> features = built.encode(golden_patches(), golden_grid(), context(&tap));
  ASSERT_TRUE(features.ok()) << features.status().message();
  ASSERT_EQ(layers.size(), tower()["outputs"].size());
  for (size_t i = 0; i < layers.size(); ++i) {
    const std::vector<float> expected = tower()["outputs"][i];
    ASSERT_EQ(layers[i].size(), expected.size());
    EXPECT_LT(difference(layers[i], expected), 2e-4) << "layer " << i;
  }
}

// Class tokens end with the last layer: the projector sees the patches of all frames, in order.
TEST_P(TowerPositions, ProjectorSeesThePatches) {
  const VisionSpec spec = spec_of(tower());
  const Tower built(spec, weights_of(spec, pool_));
  const Result<MediaFeatures> features = built.encode(golden_patches(), golden_grid(), context());
  ASSERT_TRUE(features.ok()) << features.status().message();
  const int64_t cells = features->grid.cells();
  ASSERT_EQ(cells, golden_grid().cells() / (spec.projector.merge * spec.projector.merge));
  EXPECT_EQ(features->features.shape(), Shape({cells, spec.projector.output}));

  // The unit projector normalises each patch and applies GELU: computed again from the reference's last layer.
  const std::vector<float> last = tower()["outputs"].back();
  const auto width = static_cast<size_t>(spec.hidden);
  const size_t rows = last.size() / width;
  const size_t rows_per_frame = rows / static_cast<size_t>(golden_grid().t);
  std::vector<float> expected;
  for (size_t row = 0; row < rows; ++row) {
    if (row % rows_per_frame < static_cast<size_t>(spec.class_tokens)) continue;
    double mean = 0.0;
    double variance = 0.0;
    for (size_t c = 0; c < width; ++c) mean += last[row * width + c] / static_cast<double>(width);
    for (size_t c = 0; c < width; ++c) {
      variance += std::pow(last[row * width + c] - mean, 2.0) / static_cast<double>(width);
    }
    for (size_t c = 0; c < width; ++c) {
      const double x = (last[row * width + c] - mean) / std::sqrt(variance + spec.projector.norm_eps);
      expected.push_back(static_cast<float>(x * 0.5 * std::erfc(-x / std::sqrt(2.0))));
    }
  }
  const Tensor& found = features->features;
  ASSERT_EQ(static_cast<size_t>(found.elements()), expected.size());
  EXPECT_LT(difference({found.data(), found.data() + found.elements()}, expected), 2e-4);
}

INSTANTIATE_TEST_SUITE_P(Kinds, TowerPositions,
                         ::testing::Values("rotary_none", "axial_halves", "axial_split", "axial_interleaved", "mixed",
                                           "grid_bilinear_corners", "grid_bilinear", "grid_bicubic",
                                           "grid_bicubic_class"),
                         [](const auto& each) { return std::string(each.param); });

TEST(TowerPositionsTest, EveryGoldenTowerIsRun) {
  EXPECT_EQ(golden()["towers"].size(), 9u);
}

TEST(TowerPositionsTest, PadsGetNoLearnedPosition) {
  ThreadPool pool(1);
  const VisionSpec spec = spec_of(golden()["towers"]["axial_split"]);
  Tensor hidden = Tensor::zeros({2, spec.hidden});
  const TowerWeights weights = weights_of(spec, pool);
  ASSERT_TRUE(add_learned_positions(spec, weights, {1, 1, 2}, spec.resample, {{0, 1}, {-1, -1}}, hidden, pool).ok());
  for (int channel = 0; channel < spec.hidden; ++channel) {
    EXPECT_EQ(hidden.row(0)[channel], weights.learned_axes.row(0)[spec.hidden + channel] +  // column 1
                                          weights.learned_axes.row(1)[channel]);            // row 0
    EXPECT_EQ(hidden.row(1)[channel], 0.0f);
  }
}

TEST(TowerPositionsTest, RefusesAGridBeyondTheLearnedAxes) {
  ThreadPool pool(1);
  const VisionSpec spec = spec_of(golden()["towers"]["axial_split"]);
  const Tower tower(spec, weights_of(spec, pool));
  const Tensor patches = Tensor::zeros({6, spec.patch_elements()});
  const Status refused = tower.encode(patches, {1, 1, 6}, {.pool = pool, .progress = {}}).status();
  EXPECT_EQ(refused.code(), StatusCode::out_of_range);
  EXPECT_NE(refused.message().find("at most 5 rows and columns"), std::string::npos) << refused.message();
}

TEST(TowerPositionsTest, RefusesToMergePatchesInRasterOrder) {
  ThreadPool pool(1);
  VisionSpec spec = spec_of(golden()["towers"]["axial_halves"]);
  spec.order = PatchOrder::raster;
  const Tower tower(spec, weights_of(spec, pool));
  const Status refused = tower.encode(golden_patches(), golden_grid(), {.pool = pool, .progress = {}}).status();
  EXPECT_EQ(refused.code(), StatusCode::invalid_argument);
  EXPECT_NE(refused.message().find("merge blocks"), std::string::npos) << refused.message();
}

}  // namespace
}  // namespace azimuth::vision
