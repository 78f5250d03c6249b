// The position of every token, without weights.
#include <algorithm>

#include "azimuth/session.h"
#include "engine/prepare.h"
#include "engine/sequence.h"

namespace azimuth {
namespace {

// As configs name the layers that turn by the same frequencies; by number where two kinds would have one name.
std::vector<NamedPlan> plans_of(const TextSpec& text, const decoder::PositionEncoding& encoding) {
  std::vector<NamedPlan> plans;
  if (encoding.ropes.size() < 2) return plans;
  for (size_t rope = 0; rope < encoding.ropes.size(); ++rope) {
    const auto layer = std::ranges::find(text.layers, static_cast<int>(rope), &LayerSpec::rope);
    if (layer == text.layers.end()) continue;
    std::string name = layer->window > 0 ? "sliding_attention" : "full_attention";
    if (std::ranges::find(plans, name, &NamedPlan::layer_type) != plans.end()) name += " " + std::to_string(rope);
    plans.push_back({std::move(name), encoding.plan(static_cast<int>(rope))});
  }
  if (plans.size() < 2) plans.clear();
  return plans;
}

}  // namespace

Result<PromptReport> inspect_prompt(const Engine& engine, const Request& request) {
  const Engine::Impl& model = engine.impl();
  AZ_ASSIGN_OR_RETURN(engine::PolicyChoice policy, engine::choose_policy(model.spec.text, request.positions));
  AZ_ASSIGN_OR_RETURN(engine::PreparedSample sample, engine::prepare(model, request, policy));
  // Frequencies that depend on the length are those of this prompt.
  AZ_ASSIGN_OR_RETURN(policy,
                      engine::choose_policy(model.spec.text, request.positions, engine::length_of(sample.positions)));
  PromptReport report;
  for (const int32_t id : sample.prompt.ids) {
    AZ_ASSIGN_OR_RETURN(std::string token, model.tokenizer->decode({&id, 1}, false));
    report.tokens.push_back(std::move(token));
  }
  report.prompt = std::move(sample.prompt);
  report.policy = policy.policy.spelling();
  report.positions = std::move(sample.positions);
  report.media = std::move(sample.media);
  report.plan = policy.encoding->plan(0);
  report.plans = plans_of(model.spec.text, *policy.encoding);
  return report;
}

}  // namespace azimuth
