#include "positions/frequency/allocation.h"
#include "positions/frequency/spectrum.h"
#include "positions/policy.h"

namespace azimuth::positions {

Result<FrequencyPlan> make_plan(const Policy& policy, const RopeSpec& rope, bool own_section) {
  AZ_ASSIGN_OR_RETURN(Spectrum spectrum, make_spectrum(rope));
  const int pairs = static_cast<int>(spectrum.inv_freq.size());
  std::vector<int> section = own_section ? rope.section : std::vector<int>{};
  if (section.empty() && !policy.section.empty()) section = scale_section(policy.section, pairs);
  FrequencyPlan plan;
  plan.pairs = pairs;
  AZ_ASSIGN_OR_RETURN(plan.axis, policy.allocation(section, pairs));
  plan.inv_freq = std::move(spectrum.inv_freq);
  plan.attention_scale = spectrum.attention_scale;
  return plan;
}

}  // namespace azimuth::positions
