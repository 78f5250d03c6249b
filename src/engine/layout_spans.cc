// Positions of an abstract prompt: what `azimuth layout` prints, without a model.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "azimuth/positions.h"
#include "base/json.h"
#include "models/parts/config_keys.h"
#include "positions/policy.h"

namespace azimuth {
namespace {

using positions::PolicyInstance;

Status check_head(const HeadOptions& head) {
  if (head.head_dim < 2 || head.head_dim > 4096 || head.head_dim % 2 != 0) {
    return invalid_argument("head_dim expected an even number from 2 to 4096, found " + std::to_string(head.head_dim));
  }
  if (head.kv_heads < 1 || head.kv_heads > 4096) {
    return invalid_argument("kv_heads expected a number from 1 to 4096, found " + std::to_string(head.kv_heads));
  }
  if (!(head.base >= 1.0 && head.base <= 1e12)) {
    return invalid_argument("base expected a number from 1 to 1e12, found " + std::to_string(head.base));
  }
  return ok_status();
}

// Largest id of the prompt over all sets, plus 1.
int64_t length_of(const PositionTable& table) {
  float largest = -1.0f;
  for (const PositionSet& set : table.sets) {
    for (const float id : set.ids) largest = std::max(largest, id);
  }
  return static_cast<int64_t>(std::floor(largest)) + 1;
}

// `scaling` as the rope_parameters of a config whose other keys are `head`'s.
Result<RopeSpec> rope_of(const nlohmann::json& scaling, const HeadOptions& head) {
  const nlohmann::json config = {{"rope_theta", head.base}, {"rope_parameters", scaling}};
  int rotary_dim = head.head_dim;
  const JsonView view(config, "scaling");
  if (!scaling.is_null()) {
    AZ_ASSIGN_OR_RETURN(const JsonView params, view.object("rope_parameters"));
    AZ_ASSIGN_OR_RETURN(const std::string type, params.string_or("rope_type", "default"));
    AZ_ASSIGN_OR_RETURN(const double share, params.number_or("partial_rotary_factor", 1.0, 0.0, 1.0));
    // "proportional" turns a share of the pairs with the exponents of the whole head; the others turn fewer channels.
    if (type != "proportional") rotary_dim = static_cast<int>(head.head_dim * share);
  }
  AZ_ASSIGN_OR_RETURN(RopeSpec rope, models::read_rope(view, rotary_dim, head.base, {}));
  return rope;
}

Result<FrequencyPlan> plan_of(const PolicyInstance& policy, const nlohmann::json& scaling, const HeadOptions& head,
                              int64_t length) {
  positions::PlanRequest request;
  AZ_ASSIGN_OR_RETURN(request.rope, rope_of(scaling, head));
  request.rope.section = head.section;
  request.section_kind = positions::allocation_of(policy);  // a section that is given is meant for this plan
  request.kv_heads = head.kv_heads;
  request.length = length;
  request.cuts_section = head.cuts_section;
  return positions::make_plan(policy, request);
}

bool is_per_layer_type(const nlohmann::json& scaling) {
  return scaling.is_object() && !scaling.empty() &&
         std::ranges::all_of(scaling, [](const nlohmann::json& value) { return value.is_object(); });
}

}  // namespace

Result<PositionLayout> layout_spans(const std::string& name, std::span<const Span> spans, const HeadOptions& head) {
  AZ_RETURN_IF_ERROR(check_head(head));
  PositionLayout out;
  AZ_ASSIGN_OR_RETURN(const PolicyInstance policy, positions::find_policy(name));
  out.policy = policy.spelling();
  out.declares_curved = policy.policy->declares_curved;
  out.declares_shared = policy.policy->shares_ids;
  AZ_ASSIGN_OR_RETURN(out.positions, positions::layout_prompt(policy, spans, {head.compat, 0}));
  nlohmann::json scaling;
  if (!head.scaling.empty()) {
    AZ_ASSIGN_OR_RETURN(scaling, parse_json(head.scaling, "scaling"));
  }
  const int64_t length = head.length > 0 ? head.length : length_of(out.positions);
  if (!is_per_layer_type(scaling)) {
    AZ_ASSIGN_OR_RETURN(FrequencyPlan plan, plan_of(policy, scaling, head, length));
    out.plans.push_back({"", std::move(plan)});
    return out;
  }
  for (const auto& [layer_type, parameters] : scaling.items()) {
    AZ_ASSIGN_OR_RETURN(FrequencyPlan plan, plan_of(policy, parameters, head, length));
    out.plans.push_back({layer_type, std::move(plan)});
  }
  return out;
}

}  // namespace azimuth
