// Which position policy runs on which family: asked of the same code that a request goes through.
#include <nlohmann/json.hpp>

#include "azimuth/lint.h"
#include "base/json.h"
#include "engine/policy_choice.h"
#include "models/families.h"
#include "positions/frequency/allocation.h"

namespace azimuth {
namespace {

using positions::PolicyInstance;

Result<TextSpec> published_text(const std::string& model_type, std::string& name) {
  AZ_ASSIGN_OR_RETURN(const models::PublishedConfig published, models::published_config(model_type));
  name = published.name;
  AZ_ASSIGN_OR_RETURN(const nlohmann::json config, parse_json(published.config, model_type));
  AZ_ASSIGN_OR_RETURN(ModelSpec spec, models::read_model_spec(JsonView(config, model_type)));
  return std::move(spec.text);
}

// The policy with counts that fit the decoder, in the proportions that were published.
std::string with_numbers(const PolicyInstance& policy, const TextSpec& text) {
  const positions::AllocationKind kind = positions::allocation_of(policy);
  const std::vector<int> published = positions::published_section(kind);
  if (published.empty()) return "";
  const bool per_head = kind == positions::AllocationKind::per_head;
  const int total = per_head ? text.layers.front().kv_heads : text.ropes.front().rotary_dim / 2;
  const std::vector<int> section = positions::scale_section(published, total);
  std::string words = policy.policy->name + ":section=";
  for (size_t i = 0; i < section.size(); ++i) words += (i > 0 ? "-" : "") + std::to_string(section[i]);
  return words;
}

PolicyMatrixCell cell_of(const std::string& name, const TextSpec& text) {
  const Result<PolicyInstance> policy = positions::find_policy(name);
  if (!policy.ok()) return {PolicyFit::refused, policy.status().message()};
  const Result<engine::PolicyChoice> choice = engine::choose_policy(text, name);
  if (choice.ok()) return {PolicyFit::runs, ""};
  const std::string numbers = with_numbers(*policy, text);
  if (!numbers.empty() && engine::choose_policy(text, numbers).ok()) {
    return {PolicyFit::explicit_numbers, choice.status().message() + ", such as " + numbers};
  }
  return {PolicyFit::refused, choice.status().message()};
}

}  // namespace

Result<PolicyMatrix> policy_matrix() {
  PolicyMatrix matrix;
  matrix.model_types = models::known_families();
  std::vector<TextSpec> texts;
  for (const std::string& model_type : matrix.model_types) {
    matrix.checkpoints.emplace_back();
    AZ_ASSIGN_OR_RETURN(TextSpec text, published_text(model_type, matrix.checkpoints.back()));
    texts.push_back(std::move(text));
  }
  for (const auto& policy : positions::all_policies()) {
    matrix.policies.push_back(policy->name);
    for (const TextSpec& text : texts) matrix.cells.push_back(cell_of(policy->name, text));
  }
  return matrix;
}

}  // namespace azimuth
