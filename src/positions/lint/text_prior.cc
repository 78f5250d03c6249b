// Whether text is placed and turned as in the base language model (positions.md 5.3).
#include <cmath>

#include "positions/lint/outcome.h"
#include "positions/lint/scores.h"
#include "positions/lint/triples.h"

namespace azimuth::positions::lint {
namespace {

constexpr int64_t kTextOnlyTokens = 64;

bool has_equal_axes(const PositionSet& set, int64_t token) {
  for (int axis = 1; axis < set.axes; ++axis) {
    if (set.token(token)[axis] != set.token(token)[0]) return false;
  }
  return true;
}

// Text of one set: equal axes, and each token one id behind the token before it in its run.
bool is_plain_text(const PositionSet& set, const std::vector<Span>& spans, int64_t* token) {
  bool after_text = false;
  for (const Span& span : spans) {
    const bool text = span.kind == SpanKind::text;
    for (int64_t i = span.begin; text && i < span.end; ++i) {
      const bool follows = after_text || i > span.begin;
      const double id = set.token(i)[0];
      const double step = follows ? id - static_cast<double>(set.token(i - 1)[0]) : 1.0;
      if (has_equal_axes(set, i) && std::fabs(step - 1.0) <= rounding_at(id)) continue;
      if (token != nullptr) *token = i;
      return false;
    }
    after_text = text;
  }
  return true;
}

// A prompt of nothing but text has start, start + 1, ... on all axes.
std::optional<bool> is_base_text(const LintInput& input) {
  if (!input.lay_out) return std::nullopt;
  Span text;
  text.end = kTextOnlyTokens;
  const Result<PositionTable> table = input.lay_out({&text, 1});
  if (!table.ok()) return std::nullopt;
  for (const PositionSet& set : table->sets) {
    for (int64_t i = 0; i < set.tokens(); ++i) {
      const double base = input.base_start + static_cast<double>(i);
      if (!has_equal_axes(set, i) || set.token(i)[0] != static_cast<float>(base)) return false;
    }
  }
  return true;
}

bool has_text(const LintInput& input) {
  for (const Span& span : input.spans) {
    if (span.kind == SpanKind::text && span.tokens() > 0) return true;
  }
  return false;
}

// Radians per id that text gets in a pair: none where the pair's axis stays 0.
float text_frequency(const FrequencyPlan& plan, uint8_t text_axes, size_t i) {
  const int axis = plan.axis[i];
  return axis >= 0 && (text_axes >> axis & 1) != 0 ? plan.inv_freq[i] : 0.0f;
}

bool turns_text_alike(const FrequencyPlan& plan, const FrequencyPlan& base, uint8_t text_axes) {
  if (plan.pairs != base.pairs || plan.attention_scale != base.attention_scale) return false;
  for (size_t i = 0; i < plan.axis.size(); ++i) {
    if (text_frequency(plan, text_axes, i) != base.inv_freq[i % static_cast<size_t>(base.pairs)]) return false;
  }
  return true;
}

}  // namespace

std::optional<bool> keeps_text_ids(const LintInput& input, int64_t* token) {
  for (const PositionSet& set : input.layout.positions.sets) {
    if (!is_plain_text(set, input.spans, token)) return false;
  }
  const std::optional<bool> base = is_base_text(input);
  return base || !has_text(input) ? base : true;
}

bool has_integral_text(const LintInput& input, int64_t* token) {
  for (const PositionSet& set : input.layout.positions.sets) {
    for (const Span& span : input.spans) {
      for (int64_t i = span.begin; span.kind == SpanKind::text && i < span.end; ++i) {
        for (int axis = 0; axis < set.axes; ++axis) {
          if (set.token(i)[axis] == std::floor(set.token(i)[axis])) continue;
          if (token != nullptr) *token = i;
          return false;
        }
      }
    }
    if (set.next_decode == std::floor(set.next_decode)) continue;
    if (token != nullptr) *token = set.tokens();
    return false;
  }
  return true;
}

std::optional<bool> keeps_text_frequencies(const LintInput& input) {
  const std::vector<NamedPlan>& plans = input.layout.plans;
  if (plans.empty() || plans.size() != input.base_plans.size()) return std::nullopt;
  for (size_t i = 0; i < plans.size(); ++i) {
    if (input.base_plans[i].plan.pairs == 0) return std::nullopt;
    for (const PositionSet& set : input.layout.positions.sets) {
      if (!turns_text_alike(plans[i].plan, input.base_plans[i].plan, set.text_axes)) return false;
    }
  }
  return true;
}

Outcome check_text_prior_ids(const Context& context) {
  if (!context.scores.text_prior_ids) return not_checked("no text");
  Outcome outcome;
  outcome.value = "as the base model's";
  if (*context.scores.text_prior_ids) return outcome;
  outcome.value = "not the base model's";
  int64_t token = -1;
  keeps_text_ids(context.input, &token);
  if (token < 0) {
    outcome.problems.push_back({Level::breaks, "a prompt of nothing but text gets other ids than " +
                                                   shown(context.input.base_start) + ", " +
                                                   shown(context.input.base_start + 1) + ", ... on all axes"});
    return outcome;
  }
  outcome.problems.push_back({Level::breaks,
                              "text token " + std::to_string(token) + " has (" +
                                  shown(triple_of(context.first_set(), token)) +
                                  "), where equal axes, one id behind the token before it, were expected",
                              -1, token, token + 1});
  return outcome;
}

Outcome check_text_text0(const Context& context) {
  const PositionSet& set = context.first_set();
  if (set.axes == 1) return not_checked("one axis");
  Outcome outcome;
  const auto all = static_cast<uint8_t>((1 << std::min(set.axes, 3)) - 1);
  outcome.value = (set.text_axes & all) == all ? "text advances every axis" : "text stays at 0 on some axes";
  if ((set.text_axes & all) == all) return outcome;
  std::string axes;
  for (int axis = 0; axis < std::min(set.axes, 3); ++axis) {
    if ((set.text_axes >> axis & 1) == 0) axes += (axes.empty() ? "" : " and ") + axis_name(axis);
  }
  outcome.problems.push_back(
      {Level::breaks, "text has id 0 on " + axes + ", so the pairs of these axes no longer tell text tokens apart"});
  return outcome;
}

Outcome check_text_integral(const Context& context) {
  Outcome outcome;
  outcome.value = context.scores.text_integral ? "whole numbers" : "fractions";
  if (context.scores.text_integral) return outcome;
  int64_t token = 0;
  has_integral_text(context.input, &token);
  const PositionSet& set = context.first_set();
  const double id = token < set.tokens() ? set.token(token)[0] : set.next_decode;
  outcome.problems.push_back({Level::warns,
                              "text goes on at fractions, from token " + std::to_string(token) + " at " + shown(id) +
                                  " on; within a run its steps are still 1",
                              -1, token, token + 1});
  return outcome;
}

Outcome check_text_freq(const Context& context) {
  if (!context.scores.text_freq) return not_checked("no base spectrum to compare");
  Outcome outcome;
  outcome.value = *context.scores.text_freq ? "turns as in the base model" : "turns differently";
  if (*context.scores.text_freq) return outcome;
  for (size_t i = 0; i < context.input.layout.plans.size(); ++i) {
    const FrequencyPlan& plan = context.input.layout.plans[i].plan;
    const FrequencyPlan& base = context.input.base_plans[i].plan;
    const uint8_t text_axes = context.first_set().text_axes;
    if (plan.pairs != base.pairs) {
      outcome.problems.push_back(
          {Level::breaks,
           std::to_string(plan.pairs) + " pairs turn text, and the base model has " + std::to_string(base.pairs)});
      continue;
    }
    int64_t other = 0;
    for (size_t j = 0; j < plan.axis.size(); ++j) {
      other += text_frequency(plan, text_axes, j) != base.inv_freq[j % static_cast<size_t>(base.pairs)];
    }
    if (other == 0 && plan.attention_scale == base.attention_scale) continue;
    outcome.problems.push_back({Level::breaks, std::to_string(other) + " of " + std::to_string(plan.axis.size()) +
                                                   " pairs turn text by another angle than in the base model"});
  }
  return outcome;
}

}  // namespace azimuth::positions::lint
