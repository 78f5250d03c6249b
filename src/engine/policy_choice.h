// Which position policy a request runs with, and its frequency plans.
#pragma once

#include <string>
#include <vector>

#include "positions/policy.h"
#include "spec/text_spec.h"

namespace azimuth::engine {

struct PolicyChoice {
  const positions::Policy* policy = nullptr;
  std::vector<FrequencyPlan> plans;  // one per TextSpec::ropes
};

// `name`: a policy, or "" for the checkpoint's own.
Result<PolicyChoice> choose_policy(const TextSpec& text, const std::string& name);

}  // namespace azimuth::engine
