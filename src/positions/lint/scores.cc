#include "positions/lint/scores.h"

namespace azimuth::positions::lint {

LintScores score(const LintInput& input) {
  LintScores scores;
  scores.blocks = score_blocks(input);
  if (!input.layout.plans.empty()) {
    scores.spectrum = spectrum_of(input.layout.plans[0].plan, input.layout.positions.sets[0].axes);
  }
  scores.text_prior_ids = keeps_text_ids(input);
  scores.text_integral = has_integral_text(input);
  scores.text_freq = keeps_text_frequencies(input);
  scores.decode_continuous = decodes_continuously(input);
  scores.growth_exponent = growth_exponent(input);
  return scores;
}

}  // namespace azimuth::positions::lint
