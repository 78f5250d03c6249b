#include "sampling/logprobs.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>

namespace azimuth::sampling {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<TokenLogprob> best_tokens(std::span<const float> logits, int top, double temperature, double log_mass) {
  std::vector<int32_t> ids(logits.size());
  std::iota(ids.begin(), ids.end(), 0);
  const size_t count = std::min(static_cast<size_t>(std::max(top, 0)), logits.size());
  std::partial_sort(ids.begin(), ids.begin() + static_cast<ptrdiff_t>(count), ids.end(),
                    [&](int32_t a, int32_t b) { return logits[a] != logits[b] ? logits[a] > logits[b] : a < b; });
  std::vector<TokenLogprob> best;
  for (size_t i = 0; i < count; ++i) best.push_back({ids[i], logits[ids[i]] / temperature - log_mass});
  return best;
}

}  // namespace

Status check_logits(std::span<const float> logits) {
  if (logits.empty()) return invalid_argument("logits expected one value per token, found none");
  for (size_t id = 0; id < logits.size(); ++id) {
    if (logits[id] < kInfinity) continue;  // false for NaN
    return invalid_argument("logits expected finite numbers or -inf, found " +
                            std::string(std::isnan(logits[id]) ? "NaN" : "+inf") + " at token " + std::to_string(id));
  }
  return ok_status();
}

double log_sum_exp(std::span<const float> logits) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  if (largest == -kInfinity) return largest;
  double sum = 0.0;
  for (const float logit : logits) sum += std::exp(logit - largest);
  return largest + std::log(sum);
}

Result<TokenStatistics> token_statistics(std::span<const float> logits, int32_t id, int top, double temperature) {
  AZ_RETURN_IF_ERROR(check_logits(logits));
  if (id < 0 || static_cast<size_t>(id) >= logits.size()) {
    return out_of_range("expected a token id below the vocabulary of " + std::to_string(logits.size()) + ", found " +
                        std::to_string(id));
  }
  if (!(temperature > 0.0 && temperature < std::numeric_limits<double>::infinity())) {
    return invalid_argument("log-probabilities expected a temperature above 0, found " + std::to_string(temperature));
  }
  const double largest = *std::max_element(logits.begin(), logits.end());
  if (largest == -kInfinity) return invalid_argument("logits expected at least one possible token, found all excluded");
  // With x = (logit - largest) / T: entropy = log(sum exp x) - sum(x exp x) / sum(exp x).
  double sum = 0.0;
  double weighted = 0.0;
  for (const float logit : logits) {
    if (logit == -kInfinity) continue;
    const double x = (logit - largest) / temperature;
    const double weight = std::exp(x);
    sum += weight;
    if (weight > 0.0) weighted += x * weight;
  }
  TokenStatistics statistics;
  statistics.logprob = (logits[id] - largest) / temperature - std::log(sum);
  statistics.entropy = std::max(0.0, std::log(sum) - weighted / sum);
  if (top > 0) statistics.top = best_tokens(logits, top, temperature, largest / temperature + std::log(sum));
  return statistics;
}

}  // namespace azimuth::sampling
