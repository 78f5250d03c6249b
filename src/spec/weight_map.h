// Where each tensor of the engine is found in a checkpoint, as data: a slot name, the names that files of several
// conventions use, the shape that must be found, and a declared transform that engine/load applies.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "tensor/tensor.h"

namespace azimuth {

enum class Transform : uint8_t {
  none,
  flatten,         // [n, a, b, ...] -> [n, a*b*...] (a convolution whose stride is its kernel is a product)
  drop_first,      // [1, a, b] -> [a, b]
  transpose,       // [n, a, b, ...] -> [a*b*..., n]
  transpose_last,  // [n, a, b] -> [n, b, a]
};

// A tensor of the file, or a row-wise stack of several (queries, keys and values of a tower that has three products).
struct WeightRule {
  std::vector<std::string> names;  // tried in this order
  Shape shape;                     // in the file
  Transform transform = Transform::none;
  bool optional = false;  // files may lack it: the engine then knows what stands for it
  // Tensors that follow below this one in the slot, each found, checked and transformed by its own rule.
  std::vector<WeightRule> below = {};
  // Another shape that files of another convention have, with its own transform; an empty shape: none.
  Shape other_shape = {};
  Transform other_transform = Transform::none;
  // Of the file's rows, only these, before the transform; no count: all.
  int64_t first_row = 0;
  int64_t row_count = 0;

  // Of the file that this rule reads, without those of `below`.
  int64_t elements() const { return row_count == 0 ? shape.elements() : shape.elements() / shape[0] * row_count; }
};

class WeightMap {
 public:
  void add(std::string slot, WeightRule rule) { rules_.insert_or_assign(std::move(slot), std::move(rule)); }
  const WeightRule* find(const std::string& slot) const {
    const auto it = rules_.find(slot);
    return it == rules_.end() ? nullptr : &it->second;
  }
  const std::unordered_map<std::string, WeightRule>& rules() const { return rules_; }
  // Count of the slots that a checkpoint must fill.
  size_t required() const {
    return static_cast<size_t>(std::ranges::count_if(rules_, [](const auto& rule) { return !rule.second.optional; }));
  }

 private:
  std::unordered_map<std::string, WeightRule> rules_;
};

}  // namespace azimuth
