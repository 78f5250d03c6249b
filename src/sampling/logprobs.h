// Log-probabilities and entropies of the distributions that logits stand for. Sums are f64.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "azimuth/status.h"
#include "base/thread_pool.h"

namespace azimuth::sampling {

struct TokenLogprob {
  int32_t id = -1;
  double logprob = 0.0;  // nats; -inf for an excluded token
};

// The distribution softmax(logits / temperature) of one row, as scoring needs it.
struct RowStatistics {
  double temperature = 1.0;       // the f32 next to the one asked for
  double log_mass = 0.0;          // log(sum(exp(logits / temperature)))
  double entropy = 0.0;           // nats
  std::vector<TokenLogprob> top;  // the most probable tokens, best first, equal ones by id

  bool has_distribution() const { return std::isfinite(log_mass); }
  double logprob(float logit) const { return logit / temperature - log_mass; }
};

// Statistics of `rows` rows of logits [rows, vocab] by the vector kernels and the threads of `pool`; of a row they
// depend on nothing but the row. With u = 2^-24, p the distribution and d(j) = (logit(j) - largest) / temperature:
// differences round three times and exponentials by 4 u, sums are f64, so that log_mass is off by at most
// u sum(p (4 + 3 |d|)) <= u (4 + 3 entropy), which for 150,000 tokens is below 41 u = 2.5e-6, and usually far below;
// the entropy by at most u sum(p (4 + 3 |d|) (1 + |d|)) more. Log-probabilities have no other error than log_mass.
// A row with NaN or +inf, or of nothing but -inf, has no distribution: check_row says why. `temperature` must have
// passed check_temperature(), vocab > 0.
std::vector<RowStatistics> row_statistics(const float* logits, int64_t rows, int64_t vocab, int top, double temperature,
                                          ThreadPool& pool);

// The same of one row, without the most probable tokens.
RowStatistics statistics_of_row(std::span<const float> logits, double temperature, ThreadPool& pool);

// invalid_argument for a row that has no distribution.
Status check_row(std::span<const float> logits);

// invalid_argument "log-probabilities expected a temperature ..." unless it is one that has an f32 above 0.
Status check_temperature(double temperature);

// invalid_argument "logits expected ..., found NaN at token 5" for an empty vocabulary, NaN or +inf.
Status check_logits(std::span<const float> logits);

// log(sum(exp(logits))); -inf where every token is excluded. `logits` must have passed check_logits().
double log_sum_exp(std::span<const float> logits);

}  // namespace azimuth::sampling
