#include "engine/policy_choice.h"

#include <algorithm>

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

}  // namespace

bool depends_on_length(const TextSpec& text) {
  return std::ranges::any_of(text.ropes, [](const RopeSpec& rope) { return azimuth::depends_on_length(rope.scaling); });
}

Result<PolicyChoice> choose_policy(const TextSpec& text, const std::string& name, int64_t length) {
  PolicyChoice choice;
  AZ_ASSIGN_OR_RETURN(const positions::PolicyInstance own, positions::find_policy(text.policy));
  choice.policy = own;
  if (!name.empty()) {
    AZ_ASSIGN_OR_RETURN(choice.policy, positions::find_policy(name));
  }
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
  AZ_ASSIGN_OR_RETURN(PolicyChoice choice, choose_policy(model.spec.text, name, length));
  AZ_ASSIGN_OR_RETURN(AdditiveParts parts, model.additive.parts(choice.policy, model.spec.text, *model.pool));
  auto encoding = std::make_shared<decoder::PositionEncoding>(*choice.encoding);
  encoding->embedding = std::move(parts.embedding);
  encoding->score_term = std::move(parts.score_term);
  encoding->complete = true;
  choice.encoding = std::move(encoding);
  return choice;
}

}  // namespace azimuth::engine
