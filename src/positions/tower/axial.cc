// What the axial kinds share: a table over x and y in which each axis has its own quarter of the head.
#include "positions/frequency/spectrum.h"
#include "positions/tower/rotary_rules.h"

namespace azimuth::positions {

RotaryTable axial_table(const VisionSpec& vision, const std::vector<PatchPosition>& patches,
                        std::initializer_list<int8_t> axes) {
  const std::vector<float> spectrum = inverse_frequencies(vision.rotary_theta, vision.head_dim / 2);  // [d/4]
  FrequencyPlan plan;
  for (const int8_t axis : axes) {
    plan.axis.insert(plan.axis.end(), spectrum.size(), axis);
    plan.inv_freq.insert(plan.inv_freq.end(), spectrum.begin(), spectrum.end());
  }
  plan.pairs = static_cast<int>(plan.axis.size());
  std::vector<float> ids;  // [patches, 2]
  for (const PatchPosition& patch : patches) {
    ids.push_back(static_cast<float>(patch.column));
    ids.push_back(static_cast<float>(patch.row));
  }
  RotaryTable table;
  append_rotary(plan, ids.data(), static_cast<int64_t>(patches.size()), 2, table);
  return table;
}

}  // namespace azimuth::positions
