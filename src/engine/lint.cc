// The linter's input, from an abstract prompt or from a model's.
#include "azimuth/lint.h"

#include "engine/policy_choice.h"
#include "engine/prepare.h"
#include "engine/sequence.h"
#include "positions/frequency/allocation.h"
#include "positions/lint/input.h"

namespace azimuth {
namespace {

using engine::PolicyChoice;
using positions::PolicyInstance;

// The counts that the plan of `policy` has to keep, of those that a user or case gave.
std::vector<int> kept_section(const PolicyInstance& policy, const std::vector<int>& given) {
  const std::vector<int> section = policy.parameters.has("section") ? policy.parameters.counts("section") : given;
  return positions::keeps_section(positions::allocation_of(policy)) ? section : std::vector<int>();
}

}  // namespace

Result<LintReport> lint_spans(const std::string& name, std::span<const Span> spans, const HeadOptions& head,
                              const LintOptions& options) {
  AZ_ASSIGN_OR_RETURN(const PolicyInstance policy, positions::find_policy(name));
  HeadOptions cut = head;
  Result<PositionLayout> layout = layout_spans(name, spans, head);
  if (!layout.ok()) {
    cut.cuts_section = true;
    const Result<PositionLayout> as_reference = layout_spans(name, spans, cut);
    if (!as_reference.ok()) return layout.status();
    layout = as_reference;
  }
  AZ_ASSIGN_OR_RETURN(LintInput input, positions::lint::input_of(policy, spans, {head.compat, 0}));
  input.layout = std::move(*layout);
  input.section = kept_section(policy, head.section);
  // The same head without axes: what the language model below the policy turns text with.
  HeadOptions base = head;
  base.section.clear();
  base.length = input.length = head.length > 0 ? head.length : engine::length_of(input.layout.positions);
  AZ_ASSIGN_OR_RETURN(PositionLayout plain, layout_spans("vanilla", {}, base));
  input.base_plans = std::move(plain.plans);
  input.plans_at = [name, cut, &spans](int64_t length) -> Result<std::vector<NamedPlan>> {
    HeadOptions longer = cut;
    longer.length = length;
    AZ_ASSIGN_OR_RETURN(PositionLayout other, layout_spans(name, spans, longer));
    return std::move(other.plans);
  };
  return lint(input, options);
}

namespace {

std::vector<NamedPlan> plans_of(const PolicyChoice& choice) {
  std::vector<NamedPlan> plans;
  const auto& ropes = choice.encoding->ropes;
  for (size_t i = 0; i < ropes.size(); ++i) {
    plans.push_back({ropes.size() > 1 ? std::to_string(i) : "", ropes[i]->plan()});
  }
  return plans;
}

LintOptions with_context(const TextSpec& text, const LintOptions& options) {
  LintOptions out = options;
  if (out.max_position == 0) out.max_position = text.context_length;
  return out;
}

// `own`: positions that a caller brought along; nullptr: those of the policy.
Result<LintReport> lint_model(const Engine::Impl& model, const std::string& name, std::span<const Span> spans,
                              Compat compat, const PositionTable* own, const LintOptions& options) {
  const TextSpec& text = model.spec.text;
  AZ_ASSIGN_OR_RETURN(PolicyChoice choice, engine::choose_policy(text, name));
  const LayoutOptions layout{compat, static_cast<int>(text.layers.size())};
  AZ_ASSIGN_OR_RETURN(LintInput input, positions::lint::input_of(choice.policy, spans, layout));
  if (own != nullptr) {
    input.layout.positions = *own;
    input.layout.policy += ", with ids of the request's own";
    input.lay_out = nullptr;
    input.lay_out_in_two = nullptr;
  }
  const std::string policy = choice.policy.spelling();
  input.length = engine::length_of(input.layout.positions);
  AZ_ASSIGN_OR_RETURN(choice, engine::choose_policy(text, policy, input.length));
  AZ_ASSIGN_OR_RETURN(const PolicyChoice base, engine::choose_policy(text, "vanilla", input.length));
  input.layout.plans = plans_of(choice);
  input.base_plans = plans_of(base);
  input.section = kept_section(choice.policy, {});
  input.plans_at = [&text, policy](int64_t length) -> Result<std::vector<NamedPlan>> {
    AZ_ASSIGN_OR_RETURN(const PolicyChoice longer, engine::choose_policy(text, policy, length));
    return plans_of(longer);
  };
  return lint(input, with_context(text, options));
}

Result<Compat> compat_of(const Engine::Impl& model, const Request& request) {
  return request.compat.empty() ? Result<Compat>(model.options.compat) : parse_compat(request.compat);
}

LintOptions with_request(const Request& request, LintOptions options) {
  options.keeps_cached_rotations = options.keeps_cached_rotations || request.frequencies == "as-reference";
  return options;
}

}  // namespace

Result<LintReport> lint_prompt(const Engine& engine, const Request& request, const LintOptions& options) {
  const Engine::Impl& model = engine.impl();
  AZ_ASSIGN_OR_RETURN(const Compat compat, compat_of(model, request));
  AZ_ASSIGN_OR_RETURN(const PolicyChoice policy, engine::choose_policy(model.spec.text, request.positions));
  AZ_ASSIGN_OR_RETURN(const engine::PreparedSample sample, engine::prepare(model, request, policy));
  const bool own = request.position_ids || request.hooks.on_positions;
  return lint_model(model, request.positions, sample.prompt.spans, compat, own ? &sample.positions : nullptr,
                    with_request(request, options));
}

Result<std::vector<Result<LintReport>>> lint_policies(const Engine& engine, const Request& request,
                                                      std::span<const std::string> policies,
                                                      const LintOptions& options) {
  const Engine::Impl& model = engine.impl();
  AZ_ASSIGN_OR_RETURN(const Compat compat, compat_of(model, request));
  Request plain = request;
  plain.positions = "vanilla";  // lays any prompt out
  plain.position_ids.reset();
  plain.hooks.on_positions = nullptr;
  AZ_ASSIGN_OR_RETURN(const PolicyChoice vanilla, engine::choose_policy(model.spec.text, plain.positions));
  AZ_ASSIGN_OR_RETURN(const engine::PreparedSample sample, engine::prepare(model, plain, vanilla));
  std::vector<Result<LintReport>> reports;
  for (const std::string& policy : policies) {
    reports.push_back(lint_model(model, policy, sample.prompt.spans, compat, nullptr, with_request(request, options)));
  }
  return reports;
}

}  // namespace azimuth
