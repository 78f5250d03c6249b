// Names of one module's tensors under the prefixes that checkpoints of several conventions use.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "spec/weight_map.h"

namespace azimuth::models {

class NameSet {
 public:
  explicit NameSet(std::vector<std::string> prefixes) : prefixes_(std::move(prefixes)) {}

  WeightRule rule(const std::string& name, const Shape& shape, Transform transform = Transform::none) const {
    WeightRule rule{{}, shape, transform};
    for (const std::string& prefix : prefixes_) rule.names.push_back(prefix + name);
    return rule;
  }

  void add(WeightMap& map, std::string slot, const std::string& name, const Shape& shape,
           Transform transform = Transform::none) const {
    map.add(std::move(slot), rule(name, shape, transform));
  }

  // slot.weight [outputs, inputs] and, where there is one, slot.bias [outputs].
  void add_linear(WeightMap& map, const std::string& slot, const std::string& name, int64_t outputs, int64_t inputs,
                  bool bias) const {
    add(map, slot + ".weight", name + ".weight", {outputs, inputs});
    if (bias) add(map, slot + ".bias", name + ".bias", {outputs});
  }

  // The same for several products of equal inputs that the engine runs as one: their rows one below the other.
  void add_stacked_linear(WeightMap& map, const std::string& slot, const std::vector<std::string>& stacked,
                          const std::vector<int64_t>& outputs, int64_t inputs, bool bias) const {
    const auto add_part = [&](const std::string& part, bool matrix) {
      WeightRule rule;
      for (size_t i = 0; i < stacked.size(); ++i) {
        WeightRule piece{{}, matrix ? Shape({outputs[i], inputs}) : Shape({outputs[i]})};
        for (const std::string& prefix : prefixes_) piece.names.push_back(prefix + stacked[i] + part);
        if (i == 0) {
          rule = std::move(piece);
        } else {
          rule.below.push_back(std::move(piece));
        }
      }
      map.add(slot + part, std::move(rule));
    };
    add_part(".weight", true);
    if (bias) add_part(".bias", false);
  }

  // slot.weight and slot.bias [width] of a layer norm.
  void add_norm(WeightMap& map, const std::string& slot, const std::string& name, int64_t width) const {
    add(map, slot + ".weight", name + ".weight", {width});
    add(map, slot + ".bias", name + ".bias", {width});
  }

 private:
  std::vector<std::string> prefixes_;
};

}  // namespace azimuth::models
