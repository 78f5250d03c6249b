#include "engine/policy_choice.h"

namespace azimuth::engine {

Result<PolicyChoice> choose_policy(const TextSpec& text, const std::string& name) {
  PolicyChoice choice;
  AZ_ASSIGN_OR_RETURN(choice.policy, positions::find_policy(name.empty() ? text.policy : name));
  const bool own = choice.policy->name == text.policy;
  for (const RopeSpec& rope : text.ropes) {
    AZ_ASSIGN_OR_RETURN(FrequencyPlan plan, positions::make_plan(*choice.policy, rope, own));
    choice.plans.push_back(std::move(plan));
  }
  return choice;
}

}  // namespace azimuth::engine
