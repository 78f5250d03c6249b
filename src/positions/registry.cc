#include <algorithm>
#include <cctype>

#include "positions/frequency/allocation.h"
#include "positions/layout/layouts.h"
#include "positions/policy.h"

namespace azimuth::positions {
namespace {

std::vector<Policy> make_policies() {
  return {
      {.name = "mrope",
       .aliases = {},
       .summary = "time, row and column ids; fast pairs for time, slow ones for columns (Qwen2-VL)",
       .axes = 3,
       .layout = layout_mrope,
       .allocation = allocate_chunked,
       .section = {16, 24, 24}},
      {.name = "mrope_i",
       .aliases = {},
       .summary = "time, row and column ids with interleaved pairs; one block per video frame (Qwen3-VL)",
       .axes = 3,
       .layout = layout_mrope,
       .allocation = allocate_interleaved,
       .section = {24, 20, 20}},
      {.name = "vanilla",
       .aliases = {},
       .summary = "one running index for text and images alike (LLaVA, InternVL, text models)",
       .axes = 1,
       .layout = layout_vanilla,
       .allocation = allocate_one_axis,
       .section = {}},
  };
}

// Edits (insert, remove, replace) that turn one name into the other: to suggest what was meant.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

}  // namespace

const std::vector<Policy>& all_policies() {
  static const std::vector<Policy> policies = make_policies();
  return policies;
}

Result<const Policy*> find_policy(std::string_view name) {
  const Policy* nearest = nullptr;
  size_t distance = SIZE_MAX;
  for (const Policy& policy : all_policies()) {
    if (policy.name == name) return &policy;
    if (std::find(policy.aliases.begin(), policy.aliases.end(), name) != policy.aliases.end()) return &policy;
    if (const size_t d = edit_distance(name, policy.name); d < distance) {
      distance = d;
      nearest = &policy;
    }
  }
  std::string known;
  for (const Policy& policy : all_policies()) known += (known.empty() ? "" : ", ") + policy.name;
  return not_found("unknown position policy \"" + std::string(name) + "\"; nearest is \"" + nearest->name +
                   "\" (known: " + known + ")");
}

}  // namespace azimuth::positions

namespace azimuth {

std::vector<std::string> position_policies() {
  std::vector<std::string> names;
  for (const auto& policy : positions::all_policies()) names.push_back(policy.name);
  return names;
}

}  // namespace azimuth
