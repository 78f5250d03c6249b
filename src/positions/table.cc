#include <algorithm>
#include <cmath>

#include "positions/policy.h"

namespace azimuth {

void PositionSet::decode_ids(int64_t step, float* out) const {
  const auto id = static_cast<float>(next_decode + static_cast<double>(step));
  for (int axis = 0; axis < axes; ++axis) out[axis] = (text_axes >> axis & 1) != 0 ? id : 0.0f;
}

Status PositionTable::validate(int64_t tokens) const {
  if (sets.empty()) return invalid_argument("positions expected at least one id set, found none");
  for (const PositionSet& set : sets) {
    if (set.axes < 1 || set.axes > kMaxPositionAxes) {
      return invalid_argument("positions expected 1 to " + std::to_string(kMaxPositionAxes) + " axes, found " +
                              std::to_string(set.axes));
    }
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
    if (std::fabs(set.next_decode) < kMaxPositionId && std::fabs(set.next_text) < kMaxPositionId) continue;
    return out_of_range("the position after the prompt expected a number with magnitude below 2^24, found " +
                        std::to_string(set.next_decode));
  }
  return ok_status();
}

Result<PositionTable> PositionTable::keep(std::span<const int64_t> kept) const {
  PositionTable pruned = *this;
  for (PositionSet& set : pruned.sets) set.ids.clear();
  int64_t before = -1;
  for (const int64_t token : kept) {
    for (size_t i = 0; i < sets.size(); ++i) {
      if (token <= before || token >= sets[i].tokens()) {
        return out_of_range("kept tokens expected ascending indices below " + std::to_string(sets[i].tokens()) +
                            ", found " + std::to_string(token));
      }
      pruned.sets[i].ids.insert(pruned.sets[i].ids.end(), sets[i].token(token), sets[i].token(token) + sets[i].axes);
    }
    before = token;
  }
  return pruned;
}

Result<Compat> parse_compat(std::string_view name) {
  if (name == "azimuth" || name.empty()) return Compat::azimuth;
  if (name == "tf5") return Compat::tf5;
  if (name == "tf4") return Compat::tf4;
  return invalid_argument("compat expected azimuth, tf5 or tf4, found \"" + std::string(name) + "\"");
}

namespace positions {
namespace {

// One id set, from `spans` on.
Status lay_out_set(const PolicyInstance& policy, SpanLayout layout, std::span<const Span> spans, Compat compat,
                   LayoutRun& run, PositionSet& set) {
  for (const Span& span : spans) {
    const int64_t before = set.tokens();
    Span seen = span;
    if (span.delivery == Delivery::row_suffix) ++seen.grid.w;  // the feature behind a row stands in its last column
    layout({seen, policy.parameters, compat}, run, set);
    if (set.tokens() - before != span.tokens()) {
      return invalid_argument("policy " + policy.policy->name + " gives " + std::to_string(set.tokens() - before) +
                              " positions to a block of " + std::to_string(span.grid.t) + " x " +
                              std::to_string(span.grid.h) + " x " + std::to_string(span.grid.w) +
                              " cells, but the prompt has " + std::to_string(span.tokens()) + " tokens for it");
    }
  }
  set.next_text = run.next_text;
  // The reference continues behind the largest id, wherever the prompt's text ended (positions.md 3.5).
  set.next_decode = run.decode_behind_max ? std::max(run.max_id + 1.0, 0.0) : run.next_text;
  return ok_status();
}

// Axes of the ids: a one-axis plan takes what the layout gives, except where the layout itself adapts.
int axes_of_layout(const PolicyInstance& policy) {
  const bool one_axis_plan = axes_of(allocation_of(policy)) == 1;
  return policy.policy->adapts_axes && one_axis_plan ? 1 : policy.policy->axes;
}

void prepare_table(const PolicyInstance& policy, const LayoutOptions& options, PositionState& state,
                   PositionTable& table) {
  if (!table.sets.empty()) return;
  const Policy& rules = *policy.policy;
  const bool two = rules.set_of_layer != nullptr && !rules.set_of_layer(policy.parameters, 2).empty();
  table.sets.resize(two ? 2 : 1);
  state.runs.resize(table.sets.size());
  for (PositionSet& set : table.sets) {
    set.axes = axes_of_layout(policy);
    if (rules.text_axes != nullptr) set.text_axes = rules.text_axes(policy.parameters);
  }
  for (LayoutRun& run : state.runs) run.next_text = rules.start;
  if (two) table.set_of_layer = rules.set_of_layer(policy.parameters, options.layers);
  table.integral = rules.integral == nullptr || rules.integral(policy.parameters);
}

Result<PositionTable> call_function(const PolicyInstance& policy, std::span<const Span> spans,
                                    const LayoutOptions& options) {
  PositionRequest request;
  request.spans = spans;
  request.options = options;
  request.layout = [&](std::string_view name) -> Result<PositionTable> {
    AZ_ASSIGN_OR_RETURN(const PolicyInstance other, find_policy(name));
    if (other.policy->function) {
      return invalid_argument("the layout of a registered policy expected a built-in one to build on, found " +
                              other.policy->name);
    }
    return layout_prompt(other, spans, options);
  };
  Result<PositionTable> table = (*policy.policy->function)(request);
  if (!table.ok()) return table.status().with_context("position policy " + policy.policy->name);
  AZ_RETURN_IF_ERROR(table->validate(spans.empty() ? 0 : spans.back().end - spans.front().begin));
  return table;
}

}  // namespace

std::vector<Span> number_views(std::span<const Span> spans) {
  std::vector<Span> numbered(spans.begin(), spans.end());
  const auto is_view = [](const Span& span) { return span.views > 1; };
  if (std::ranges::any_of(numbered, is_view)) return numbered;
  const auto is_visual = [](const Span& span) { return span.kind != SpanKind::text; };
  const auto views = static_cast<int>(std::ranges::count_if(numbered, is_visual));
  int view = 0;
  for (Span& span : numbered) {
    if (!is_visual(span)) continue;
    span.global_view = view == 0;
    span.view = view++;
    span.views = views;
  }
  return numbered;
}

Status layout_continue(const PolicyInstance& policy, std::span<const Span> spans, const LayoutOptions& options,
                       PositionState& state, PositionTable& table) {
  if (policy.policy->function) {
    return invalid_argument("position policy " + policy.policy->name +
                            " is a function of whole prompts and cannot go on in the middle of one");
  }
  prepare_table(policy, options, state, table);
  AZ_RETURN_IF_ERROR(lay_out_set(policy, policy.policy->layout, spans, options.compat, state.runs[0], table.sets[0]));
  if (table.sets.size() > 1) {
    AZ_RETURN_IF_ERROR(
        lay_out_set(policy, policy.policy->second_layout, spans, options.compat, state.runs[1], table.sets[1]));
    // The released code decodes with the first set's ids in every layer (positions.md 3.11).
    if (policy.parameters.word("compat") == "released") table.sets[1].next_decode = table.sets[0].next_decode;
  }
  return table.validate(table.sets[0].tokens());
}

Result<PositionTable> layout_prompt(const PolicyInstance& policy, std::span<const Span> spans,
                                    const LayoutOptions& options) {
  if (policy.policy->function) return call_function(policy, spans, options);
  PositionTable table;
  PositionState state;
  if (policy.policy->views) {
    AZ_RETURN_IF_ERROR(layout_continue(policy, number_views(spans), options, state, table));
  } else {
    AZ_RETURN_IF_ERROR(layout_continue(policy, spans, options, state, table));
  }
  return table;
}

}  // namespace positions
}  // namespace azimuth
