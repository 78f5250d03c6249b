#include <algorithm>
#include <map>
#include <mutex>
#include <regex>

#include "positions/layout/layouts.h"
#include "positions/policy.h"

namespace azimuth::positions {
namespace {

// Parameters of the frequency plan, which every rotary policy takes.
std::vector<Parameter> plan_parameters() {
  return {{.name = "plan",
           .kind = ParameterKind::word,
           .help = "another frequency plan than the policy's own",
           .words = allocation_names()},
          {.name = "section",
           .kind = ParameterKind::counts,
           .help = "rotary pairs for t, h, w (key-value heads for a plan per head)"},
          {.name = "base", .help = "another base of the spectrum than the checkpoint's", .min = 1, .max = 1e12},
          {.name = "own_spectrum",
           .kind = ParameterKind::flag,
           .fallback = "0",
           .help = "1: each axis has a complete spectrum of its own, as OmniGen2's"}};
}

std::vector<std::shared_ptr<const Policy>> make_policies() {
  std::vector<Policy> policies = {
      alibi_policy(),
      cable_policy(),
      circle_policy(),
      gemma3_policy(),
      gemma4_policy(),
      glin_policy(),
      hope_policy(),
      il_policy(),
      interpolated_policy(),
      learned_policy(),
      mhrope_policy(),
      mmrope_policy(),
      mrope_policy(),
      mrope25_policy(),
      mrope_i_policy(),
      mrope_i_reset_policy(),
      omni_policy(),
      paligemma_policy(),
      pano1d_policy(),
      pano1d_share_policy(),
      pano_mrope_policy(),
      pano_wrap_policy(),
      region_relative_policy(),
      shared_policy(),
      shaw_policy(),
      sinusoidal_policy(),
      t5_policy(),
      transformer_xl_policy(),
      v2pe_policy(),
      vanilla_policy(),
      videorope_policy(),
  };
  std::ranges::sort(policies, {}, &Policy::name);
  std::vector<std::shared_ptr<const Policy>> shared;
  for (Policy& policy : policies) {
    if (policy.mechanism == Mechanism::rotary) {
      for (Parameter& parameter : plan_parameters()) policy.parameters.push_back(std::move(parameter));
    }
    shared.push_back(std::make_shared<const Policy>(std::move(policy)));
  }
  return shared;
}

// Policies that programs registered.
struct Registered {
  std::mutex mutex;
  std::map<std::string, std::shared_ptr<const Policy>, std::less<>> policies;
};

Registered& registered() {
  static Registered all;
  return all;
}

std::shared_ptr<const Policy> find_registered(std::string_view name) {
  Registered& all = registered();
  const std::scoped_lock lock(all.mutex);
  const auto found = all.policies.find(name);
  return found == all.policies.end() ? nullptr : found->second;
}

// Edits (insert, remove, replace) that turn one name into the other: to suggest what was meant.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

Status unknown_policy(std::string_view name) {
  std::string nearest;
  size_t distance = SIZE_MAX;
  std::string known;
  for (const std::string& each : position_policies()) {
    known += (known.empty() ? "" : ", ") + each;
    const size_t d = edit_distance(name.substr(0, 64), each);
    if (d >= distance) continue;
    distance = d;
    nearest = each;
  }
  return not_found("unknown position policy \"" + std::string(name) + "\"; nearest is \"" + nearest +
                   "\" (known: " + known + ")");
}

// The parameters that an alias stands for, where one of them is `name`.
struct Match {
  std::shared_ptr<const Policy> policy;
  std::string parameters;
};

// Aliases of all policies, their expressions compiled once.
struct CompiledAlias {
  std::shared_ptr<const Policy> policy;
  std::regex pattern;
  std::string parameters;
};

const std::vector<CompiledAlias>& compiled_aliases() {
  static const std::vector<CompiledAlias> aliases = [] {
    std::vector<CompiledAlias> out;
    for (const auto& policy : all_policies()) {
      for (const Alias& alias : policy->aliases) out.push_back({policy, std::regex(alias.pattern), alias.parameters});
    }
    return out;
  }();
  return aliases;
}

Match match_alias(const std::string& name) {
  if (name.size() > 64) return {};  // longer than any alias; keeps the expressions cheap on foreign input
  for (const CompiledAlias& alias : compiled_aliases()) {
    std::smatch groups;
    if (std::regex_match(name, groups, alias.pattern)) return {alias.policy, groups.format(alias.parameters)};
  }
  // Keys of axis maps: the plan of a name at another size.
  std::smatch groups;
  static const std::regex axis_map("(.+)_[0-9]+pairs_([0-9]+-[0-9]+-[0-9]+)");
  if (!std::regex_match(name, groups, axis_map)) return {};
  const Result<PolicyInstance> inner = find_policy(groups[1].str());
  if (!inner.ok()) return {};
  const std::string given = inner->parameters.to_string();
  return {inner->policy, given + (given.empty() ? "" : ",") + "section=" + groups[2].str()};
}

Match match_name(const std::string& name) {
  for (const auto& policy : all_policies()) {
    if (policy->name == name) return {policy, ""};
  }
  if (std::shared_ptr<const Policy> own = find_registered(name)) return {std::move(own), ""};
  return match_alias(name);
}

bool is_name(std::string_view name) {
  const auto part_of_name = [](unsigned char c) { return std::isalnum(c) != 0 || c == '_'; };
  return !name.empty() && name.size() <= 64 && std::ranges::all_of(name, part_of_name);
}

const char* name_of(Mechanism mechanism) {
  switch (mechanism) {
    case Mechanism::rotary: return "rotary";
    case Mechanism::embedding: return "embedding";
    case Mechanism::score_term: return "score term";
    case Mechanism::reserved: return "reserved";
  }
  return "";
}

}  // namespace

const std::vector<std::shared_ptr<const Policy>>& all_policies() {
  static const std::vector<std::shared_ptr<const Policy>> policies = make_policies();
  return policies;
}

Result<PolicyInstance> find_policy(std::string_view text) {
  const size_t colon = text.find(':');
  const std::string name(text.substr(0, colon));
  Match match = match_name(name);
  if (!match.policy) return unknown_policy(name);
  const Policy& policy = *match.policy;
  if (policy.mechanism == Mechanism::reserved) {
    return unsupported("position policy " + policy.name + " is only a name: " + policy.summary);
  }
  // What is given behind the colon comes last and wins.
  std::string parameters = std::move(match.parameters);
  if (colon != std::string_view::npos) {
    parameters += (parameters.empty() ? "" : ",") + std::string(text.substr(colon + 1));
  }
  PolicyInstance instance;
  AZ_ASSIGN_OR_RETURN(instance.parameters, Parameters::parse(policy.name, policy.parameters, parameters));
  if (policy.check != nullptr) AZ_RETURN_IF_ERROR(policy.check(instance.parameters));
  instance.policy = std::move(match.policy);
  return instance;
}

std::string PolicyInstance::spelling() const {
  const std::string given = parameters.to_string();
  return policy->name + (given.empty() ? "" : ":" + given);
}

}  // namespace azimuth::positions

namespace azimuth {

std::vector<std::string> position_policies() {
  std::vector<std::string> names;
  for (const PolicyDescription& policy : describe_position_policies()) names.push_back(policy.name);
  return names;
}

std::vector<PolicyDescription> describe_position_policies() {
  std::vector<std::shared_ptr<const positions::Policy>> policies = positions::all_policies();
  {
    positions::Registered& own = positions::registered();
    const std::scoped_lock lock(own.mutex);
    for (const auto& [name, policy] : own.policies) policies.push_back(policy);
  }
  std::vector<PolicyDescription> out;
  for (const auto& policy : policies) {
    PolicyDescription description{policy->name,
                                  policy->summary,
                                  policy->source,
                                  positions::name_of(policy->mechanism),
                                  policy->axes,
                                  std::string(positions::to_string(policy->allocation)),
                                  {}};
    for (const positions::Parameter& parameter : policy->parameters) {
      description.parameters.push_back({parameter.name, parameter.fallback, parameter.help});
    }
    out.push_back(std::move(description));
  }
  std::ranges::sort(out, {}, &PolicyDescription::name);
  return out;
}

Status register_position_policy(const std::string& name, const std::string& plan, PositionFunction layout) {
  if (!positions::is_name(name)) {
    return invalid_argument("a policy name expected letters, digits and underscores, found \"" + name + "\"");
  }
  if (!layout) return invalid_argument("position policy " + name + " expected a function, found none");
  if (positions::match_name(name).policy) {
    return invalid_argument("position policy " + name + " exists already; choose another name");
  }
  AZ_ASSIGN_OR_RETURN(const positions::PolicyInstance base, positions::find_policy(plan));
  positions::Policy policy = *base.policy;
  policy.name = name;
  policy.summary = "registered by this program, with the frequency plan of " + plan;
  policy.source = "this program";
  policy.aliases.clear();
  policy.function = std::make_shared<const PositionFunction>(std::move(layout));
  policy.integral = [](const positions::Parameters&) { return false; };
  positions::Registered& all = positions::registered();
  const std::scoped_lock lock(all.mutex);
  all.policies[name] = std::make_shared<const positions::Policy>(std::move(policy));
  return ok_status();
}

}  // namespace azimuth
