// Log-probabilities and entropies of the distribution that logits stand for. Sums are f64.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "azimuth/status.h"

namespace azimuth::sampling {

struct TokenLogprob {
  int32_t id = -1;
  double logprob = 0.0;  // nats; -inf for an excluded token
};

struct TokenStatistics {
  double logprob = 0.0;           // of the chosen token, nats
  double entropy = 0.0;           // of the whole distribution, nats
  std::vector<TokenLogprob> top;  // the most probable tokens, best first, equal ones by id
};

// The distribution is softmax(logits / temperature) over `logits` [vocab].
// Errors: invalid_argument for NaN or +inf, for logits that exclude every token, and for temperatures that are not
// above 0; out_of_range where `id` is outside of the vocabulary.
Result<TokenStatistics> token_statistics(std::span<const float> logits, int32_t id, int top = 0,
                                         double temperature = 1.0);

// invalid_argument "logits expected ..., found NaN at token 5" for an empty vocabulary, NaN or +inf.
Status check_logits(std::span<const float> logits);

// log(sum(exp(logits))); -inf where every token is excluded. `logits` must have passed check_logits().
double log_sum_exp(std::span<const float> logits);

}  // namespace azimuth::sampling
