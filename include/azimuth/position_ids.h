// Explicit position ids: given by the caller in place of those of a policy, typed or read from a file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "azimuth/status.h"

namespace azimuth {

struct PositionIdSet {
  int axes = 1;
  std::vector<float> ids;  // [tokens, axes], whole numbers or fractions
  // Id of the first generated token; absent: what the policy of the request says for its own ids.
  std::optional<double> next;
};

// The ids of one prompt. The policy of the request still says how they turn queries and keys (its frequency plan).
struct PositionIds {
  std::vector<PositionIdSet> sets;  // usually one
  std::vector<int> set_of_layer;    // [layers]; empty: every layer uses set 0
  // Text behind the last id goes on one by one at `next`, as a generated token does: what the later turns of a
  // conversation need whose first turn was given ids. Otherwise there has to be an id for each token.
  bool continues = false;
};

// Ids of one or several samples from a file: NumPy's .npy, or JSON (docs/hooks.md, "Explicit ids").
//   .npy  [tokens], [axes, tokens] or [samples, axes, tokens] of i4, i8, f4 or f8, little-endian, in C or Fortran order
//   JSON  [0, 1, ...]                   one axis
//         [[...], [...], [...]]         one list for each axis
//         {"ids": either, "next": 7}    with the id of the first generated token
//         {"sets": [any of those], "set_of_layer": [0, 1, ...]}
//         a list of objects, or of lists of lists: one for each sample
// Errors: what was expected, what the file holds. Ids themselves are checked when they meet a prompt.
Result<std::vector<PositionIds>> read_position_ids(const std::string& path);
// The same from bytes; `name` starts every error.
Result<std::vector<PositionIds>> parse_position_ids(std::string_view bytes, std::string_view name);

}  // namespace azimuth
