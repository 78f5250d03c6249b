#include "engine/policy_choice.h"

#include <algorithm>
#include <cmath>

#include "engine/additive_policy.h"
#include "engine/model.h"

namespace azimuth::engine {
namespace {

// KV heads of the layers that a rope serves; layers with different ones cannot share a plan per head.
int kv_heads_of(const TextSpec& text, int rope) {
  for (const LayerSpec& layer : text.layers) {
    if (layer.rope == rope) return layer.kv_heads;
  }
  return text.layers.empty() ? 1 : text.layers.front().kv_heads;
}

// A term that is added to scores keeps something beside each layer's keys, which a layer without keys does not have.
Status check_own_keys(const positions::PolicyInstance& policy, const TextSpec& text) {
  const bool shares = std::ranges::any_of(text.layers, [](const LayerSpec& layer) { return layer.kv_source >= 0; });
  if (!shares || policy.policy->mechanism != positions::Mechanism::score_term) return ok_status();
  return unsupported(
      "position policy " + policy.policy->name +
      " adds to the scores of every layer, but some layers of this model read the keys of others; choose a "
      "rotary policy");
}

bool same_plan(const FrequencyPlan& a, const FrequencyPlan& b) {
  return a.groups == b.groups && a.pairs == b.pairs && a.pairing == b.pairing &&
         a.attention_scale == b.attention_scale && a.axis == b.axis && a.inv_freq == b.inv_freq;
}

}  // namespace

bool depends_on_length(const TextSpec& text) {
  return std::ranges::any_of(text.ropes, [](const RopeSpec& rope) { return azimuth::depends_on_length(rope.scaling); });
}

int64_t effective_length(const TextSpec& text, int64_t length) {
  int64_t effective = 0;
  for (const RopeSpec& rope : text.ropes) {
    if (!azimuth::depends_on_length(rope.scaling) || static_cast<double>(length) <= rope.original_max_positions)
      continue;
    if (rope.scaling != RopeScaling::longrope) return length;
    // LongRoPE knows two lists of factors and no lengths beyond that.
    effective = std::max(effective, static_cast<int64_t>(std::floor(rope.original_max_positions)) + 1);
  }
  return effective;
}

bool same_frequencies(const decoder::PositionEncoding& a, const decoder::PositionEncoding& b) {
  return std::ranges::equal(a.ropes, b.ropes,
                            [](const auto& x, const auto& y) { return same_plan(x->plan(), y->plan()); });
}

PolicyChoice RecentChoices::find(const std::string& key) const {
  const std::scoped_lock lock(mutex_);
  const auto found = std::ranges::find(choices_, key, [](const auto& entry) { return entry.first; });
  if (found == choices_.end()) return {};
  std::rotate(choices_.begin(), found, found + 1);
  return choices_.front().second;
}

void RecentChoices::keep(const std::string& key, const PolicyChoice& choice) const {
  const std::scoped_lock lock(mutex_);
  choices_.emplace_front(key, choice);
  if (choices_.size() > kMost) choices_.pop_back();
}

Result<PolicyChoice> choose_policy(const TextSpec& text, const std::string& name, int64_t length) {
  PolicyChoice choice;
  AZ_ASSIGN_OR_RETURN(const positions::PolicyInstance own, positions::find_policy(text.policy));
  choice.policy = own;
  if (!name.empty()) {
    AZ_ASSIGN_OR_RETURN(choice.policy, positions::find_policy(name));
  }
  AZ_RETURN_IF_ERROR(check_own_keys(choice.policy, text));
  auto encoding = std::make_shared<decoder::PositionEncoding>();
  encoding->complete = choice.policy.policy->mechanism == positions::Mechanism::rotary;
  for (int rope = 0; rope < static_cast<int>(text.ropes.size()); ++rope) {
    positions::PlanRequest request;
    request.rope = text.ropes[static_cast<size_t>(rope)];
    request.kv_heads = kv_heads_of(text, rope);
    request.length = length;
    request.section_kind = positions::allocation_of(own);
    AZ_ASSIGN_OR_RETURN(FrequencyPlan plan, positions::make_plan(choice.policy, request));
    encoding->ropes.push_back(std::make_shared<positions::RotaryCache>(std::move(plan)));
  }
  choice.encoding = std::move(encoding);
  return choice;
}

Result<PolicyChoice> choose_policy(const Engine::Impl& model, const std::string& name, int64_t length) {
  const TextSpec& text = model.spec.text;
  AZ_ASSIGN_OR_RETURN(const positions::PolicyInstance policy,
                      positions::find_policy(name.empty() ? text.policy : name));
  const bool rotary = policy.policy->mechanism == positions::Mechanism::rotary;
  const int64_t effective = rotary ? effective_length(text, length) : 0;
  const std::string key = policy.spelling() + " " + std::to_string(effective);
  PolicyChoice choice = model.recent_choices.find(key);
  if (choice.encoding) return choice;
  AZ_ASSIGN_OR_RETURN(choice, choose_policy(text, name, effective));
  AZ_ASSIGN_OR_RETURN(AdditiveParts parts,
                      make_additive_parts(choice.policy, text, model.position_weights, *model.pool));
  auto encoding = std::make_shared<decoder::PositionEncoding>(*choice.encoding);
  encoding->embedding = std::move(parts.embedding);
  encoding->score_term = std::move(parts.score_term);
  encoding->complete = true;
  choice.encoding = std::move(encoding);
  model.recent_choices.keep(key, choice);
  return choice;
}

}  // namespace azimuth::engine
