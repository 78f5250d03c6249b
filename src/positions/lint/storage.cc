// What ids are stored as, and the range that they lie in (positions.md 5.4, dtype and range).
#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "positions/lint/outcome.h"
#include "positions/lint/triples.h"

namespace azimuth::positions::lint {
namespace {

// `value` in a floating-point format with so many significant bits.
double rounded_to(double value, int bits) {
  int exponent = 0;
  const double mantissa = std::frexp(value, &exponent);
  return std::ldexp(std::nearbyint(std::ldexp(mantissa, bits)), exponent - bits);
}

struct Format {
  const char* name;
  int bits;  // significant ones; 0: holds every id exactly
};

Format format_of(IdStorage storage) {
  switch (storage) {
    case IdStorage::bf16: return {"bf16", 8};
    case IdStorage::f16: return {"f16", 11};
    case IdStorage::f32: return {"f32", 0};
    case IdStorage::f64: return {"f64", 0};
    case IdStorage::int32: return {"int32", 0};
    case IdStorage::int64: return {"int64", 0};
  }
  return {"", 0};
}

// Two ids of the prompt that are one number in the format.
std::optional<std::pair<double, double>> merged_ids(const PositionSet& set, int bits) {
  std::map<double, double> by_rounded;
  for (const float id : set.ids) {
    const auto [entry, is_new] = by_rounded.try_emplace(rounded_to(id, bits), id);
    if (!is_new && entry->second != static_cast<double>(id)) return std::pair(entry->second, static_cast<double>(id));
  }
  return std::nullopt;
}

Problem narrow_storage(const PositionSet& set, const Format& format) {
  std::string message = "ids were stored as " + std::string(format.name) + ", which has " +
                        std::to_string(format.bits) + " significant bits";
  if (const auto merged = merged_ids(set, format.bits)) {
    message += "; " + shown(merged->first) + " and " + shown(merged->second) + " are one number in it";
  }
  return {Level::warns, std::move(message)};
}

}  // namespace

Outcome check_dtype(const Context& context) {
  Outcome outcome;
  const PositionTable& table = context.input.layout.positions;
  const Format format = format_of(context.input.storage);
  outcome.value = table.integral ? "whole numbers, exact" : "fractions, f32";
  for (const PositionSet& set : table.sets) {
    if (format.bits > 0) outcome.problems.push_back(narrow_storage(set, format));
    for (size_t i = 0; i < set.ids.size(); ++i) {
      const auto token = static_cast<int64_t>(i) / set.axes;
      const float id = set.ids[i];
      const bool in_range = std::fabs(id) < kMaxPositionId;  // false for NaN
      if (in_range && (!table.integral || id == std::floor(id))) continue;
      outcome.problems.push_back(
          {Level::warns,
           "token " + std::to_string(token) + " has id " + shown(id) +
               (in_range ? ", and the policy promises whole numbers" : "; a number below 2^24 was expected"),
           -1, token, token + 1});
      break;
    }
  }
  if (!outcome.problems.empty()) outcome.value = "ids lose their value";
  return outcome;
}

Outcome check_range(const Context& context) {
  double smallest = 0.0;
  double largest = 0.0;
  for (const PositionSet& set : context.input.layout.positions.sets) {
    if (set.ids.empty()) continue;
    const auto [low, high] = std::ranges::minmax_element(set.ids);
    smallest = std::min(smallest, static_cast<double>(*low));
    largest = std::max(largest, static_cast<double>(*high));
  }
  Outcome outcome;
  outcome.value = "up to " + shown(largest);
  const int64_t limit = context.options.max_position;
  if (limit > 0) {
    outcome.value += " of " + std::to_string(limit);
    if (largest >= static_cast<double>(limit)) {
      outcome.problems.push_back({Level::warns, "the largest id is " + shown(largest) +
                                                    ", and the model was made for ids below " + std::to_string(limit)});
    }
  }
  if (smallest < 0.0) {
    outcome.value = "from " + shown(smallest) + " " + outcome.value;
    outcome.problems.push_back({Level::remark, "the smallest id is " + shown(smallest) +
                                                   "; rotation takes negative ids, a table of embeddings does not"});
  }
  return outcome;
}

}  // namespace azimuth::positions::lint
