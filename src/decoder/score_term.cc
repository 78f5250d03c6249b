#include "decoder/score_term.h"

#include <cmath>
#include <string>

namespace azimuth::decoder {

void IdTerm::write_state(const NewTokens& tokens, const float*, float* out) const {
  for (int64_t token = 0; token < tokens.count; ++token) out[token] = tokens.ids[token * tokens.id_stride];
}

Status DistanceTerm::check_ids(const NewTokens& tokens) const {
  for (int64_t token = 0; token < tokens.count; ++token) {
    const float id = tokens.ids[token * tokens.id_stride];
    if (std::floor(id) == id) continue;
    return invalid_argument("a table of distances expected whole position ids, found " + std::to_string(id) +
                            " at token " + std::to_string(tokens.first + token) +
                            "; give whole ids, or use a policy that takes any: alibi, cable, sinusoidal");
  }
  return ok_status();
}

}  // namespace azimuth::decoder
