// The position of every token, without weights.
#include "azimuth/session.h"
#include "engine/prepare.h"
#include "engine/sequence.h"

namespace azimuth {

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
  return report;
}

}  // namespace azimuth
