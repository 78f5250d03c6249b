// The towers of Qwen2-VL and Qwen2.5-VL, as far as they are alike: 2-D rotary, one product for queries, keys and
// values, a patch merger. They differ in norms, MLP and windows.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "azimuth/status.h"
#include "base/json.h"
#include "spec/vision_spec.h"
#include "spec/weight_map.h"

namespace azimuth::models {

// How a config spells the two widths.
struct QwenTowerKeys {
  std::string_view hidden;
  int64_t default_hidden = 0;
  std::string_view output;
};

// Everything but norm, MLP and windows. Errors: a head that the 2-D rotary cannot divide.
Result<VisionSpec> read_qwen_tower(const JsonView& config, const QwenTowerKeys& keys);

// Slots tower.* of `vision`. Each tensor is looked for behind each of `prefixes` ("visual.") in turn.
void add_qwen_tower_weights(const VisionSpec& vision, const std::vector<std::string>& prefixes, WeightMap& map);

}  // namespace azimuth::models
