#include <algorithm>

#include "positions/frequency/allocation.h"
#include "positions/frequency/spectrum.h"
#include "positions/policy.h"

namespace azimuth::positions {
namespace {

// The section that the plan is made with: asked for, the checkpoint's, or the published one at this size.
Result<std::vector<int>> choose_section(const PolicyInstance& policy, AllocationKind kind, const PlanRequest& request,
                                        int pairs) {
  if (policy.parameters.has("section")) return policy.parameters.counts("section");
  if (request.section_kind == kind && !request.rope.section.empty()) return request.rope.section;
  const std::vector<int> published = published_section(kind);
  if (kind == AllocationKind::per_head) {
    constexpr int kPublishedHeads = 8;
    if (request.kv_heads % kPublishedHeads == 0) return scale_section(published, request.kv_heads);
    return invalid_argument("a plan per head is published for 8 key-value heads, and the model has " +
                            std::to_string(request.kv_heads) + "; say how many turn with t, h, w: section=T-H-W");
  }
  return published.empty() ? published : scale_section(published, pairs);
}

// Each axis with a complete spectrum of its own, as wide as its share of the head (positions.md 3.12).
void give_own_spectra(double base, FrequencyPlan& plan) {
  for (int axis = 0; axis < 3; ++axis) {
    const auto count = static_cast<int>(std::count(plan.axis.begin(), plan.axis.end(), static_cast<int8_t>(axis)));
    const std::vector<float> spectrum = inverse_frequencies(base, 2 * count);
    size_t next = 0;
    for (size_t i = 0; i < plan.axis.size(); ++i) {
      if (plan.axis[i] == axis) plan.inv_freq[i] = spectrum[next++];
    }
  }
}

}  // namespace

AllocationKind allocation_of(const PolicyInstance& policy) {
  if (!policy.parameters.has("plan")) return policy.policy->allocation;
  const Result<AllocationKind> kind = find_allocation(policy.parameters.word("plan"));
  return kind.ok() ? *kind : policy.policy->allocation;
}

Result<FrequencyPlan> make_plan(const PolicyInstance& policy, const PlanRequest& request) {
  FrequencyPlan plan;
  plan.pairing = request.rope.pairing;
  if (policy.policy->mechanism != Mechanism::rotary) return plan;  // turns nothing
  RopeSpec rope = request.rope;
  if (policy.parameters.has("base")) rope.theta = policy.parameters.number("base");
  AZ_ASSIGN_OR_RETURN(const Spectrum spectrum, make_spectrum(rope, request.length));
  const AllocationKind kind = allocation_of(policy);
  if (axes_of(kind) > policy.policy->axes) {
    return invalid_argument("frequency plan " + std::string(to_string(kind)) +
                            " expected ids on three axes, but policy " + policy.policy->name +
                            " gives one; use a plan with one axis or another policy");
  }
  plan.pairs = static_cast<int>(spectrum.inv_freq.size());
  AZ_ASSIGN_OR_RETURN(const std::vector<int> section, choose_section(policy, kind, request, plan.pairs));
  AZ_ASSIGN_OR_RETURN(AxisMap map, allocate(kind, section, plan.pairs, request.kv_heads, request.cuts_section));
  plan.groups = map.groups;
  plan.axis = std::move(map.axis);
  for (int group = 0; group < plan.groups; ++group) {
    plan.inv_freq.insert(plan.inv_freq.end(), spectrum.inv_freq.begin(), spectrum.inv_freq.end());
  }
  plan.attention_scale = spectrum.attention_scale;
  if (policy.parameters.flag("own_spectrum")) {
    if (plan.groups > 1 || axes_of(kind) == 1) {
      return invalid_argument("own_spectrum expected a plan that shares pairs between three axes, found " +
                              std::string(to_string(kind)));
    }
    give_own_spectra(rope.theta, plan);
  }
  return plan;
}

}  // namespace azimuth::positions
