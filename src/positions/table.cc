#include <cmath>

#include "positions/policy.h"

namespace azimuth {

void PositionSet::decode_ids(int64_t step, float* out) const {
  const float id = next_decode + static_cast<float>(step);
  for (int axis = 0; axis < axes; ++axis) out[axis] = (text_axes >> axis & 1) != 0 ? id : 0.0f;
}

Status PositionTable::validate(int64_t tokens) const {
  for (const PositionSet& set : sets) {
    if (static_cast<int64_t>(set.ids.size()) != tokens * set.axes) {
      return invalid_argument("positions expected " + std::to_string(tokens) + " tokens x " + std::to_string(set.axes) +
                              " axes = " + std::to_string(tokens * set.axes) + " ids, found " +
                              std::to_string(set.ids.size()));
    }
    for (size_t i = 0; i < set.ids.size(); ++i) {
      if (std::fabs(set.ids[i]) < kMaxPositionId) continue;  // false for NaN
      return out_of_range("position of token " + std::to_string(i / static_cast<size_t>(set.axes)) +
                          " expected a number with magnitude below 2^24, found " + std::to_string(set.ids[i]));
    }
  }
  return ok_status();
}

Result<Compat> parse_compat(std::string_view name) {
  if (name == "azimuth" || name.empty()) return Compat::azimuth;
  if (name == "tf5") return Compat::tf5;
  if (name == "tf4") return Compat::tf4;
  return invalid_argument("compat expected azimuth, tf5 or tf4, found \"" + std::string(name) + "\"");
}

namespace positions {

Status layout_continue(const Policy& policy, std::span<const Span> spans, const LayoutOptions& options,
                       PositionState& state, PositionTable& table) {
  if (table.sets.empty()) table.sets.resize(1);
  PositionSet& set = table.sets[0];
  set.axes = policy.axes;
  table.integral = policy.integral;
  for (const Span& span : spans) {
    const int64_t before = set.tokens();
    policy.layout(span, options, state, set);
    if (set.tokens() - before != span.tokens()) {
      return internal_error("policy " + policy.name + " gave " + std::to_string(set.tokens() - before) +
                            " positions to a span of " + std::to_string(span.tokens()) + " tokens");
    }
  }
  set.next_text = state.next_text;
  // The reference continues behind the largest id, wherever the prompt's text ended (positions.md 3.5).
  set.next_decode = options.compat == Compat::tf5 ? std::max(state.max_id + 1.0f, 0.0f) : state.next_text;
  return table.validate(set.tokens());
}

Result<PositionTable> layout_prompt(const Policy& policy, std::span<const Span> spans, const LayoutOptions& options) {
  PositionTable table;
  PositionState state;
  AZ_RETURN_IF_ERROR(layout_continue(policy, spans, options, state, table));
  return table;
}

}  // namespace positions
}  // namespace azimuth
