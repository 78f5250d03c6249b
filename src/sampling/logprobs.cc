#include "sampling/logprobs.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "kernels/kernels.h"

namespace azimuth::sampling {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// A heap of the best tokens so far, the worst of them in front: few tokens of a row get past the comparison with it.
std::vector<TokenLogprob> best_tokens(std::span<const float> logits, int top, double temperature, double log_mass) {
  const size_t count = std::min(static_cast<size_t>(std::max(top, 0)), logits.size());
  std::vector<TokenLogprob> best;
  if (count == 0) return best;
  const auto better = [&](int32_t a, int32_t b) { return logits[a] != logits[b] ? logits[a] > logits[b] : a < b; };
  std::vector<int32_t> heap;
  for (int32_t id = 0; id < static_cast<int32_t>(logits.size()); ++id) {
    if (heap.size() == count) {
      if (!(logits[id] > logits[heap.front()])) continue;
      std::ranges::pop_heap(heap, better);
      heap.pop_back();
    }
    heap.push_back(id);
    std::ranges::push_heap(heap, better);
  }
  std::ranges::sort_heap(heap, better);
  for (const int32_t id : heap) best.push_back({id, logits[id] / temperature - log_mass});
  return best;
}

// Of a row with these sums: NaN where a logit is NaN or +inf, log_mass -inf where all are.
RowStatistics statistics_from(float temperature, double log_mass, double entropy) {
  RowStatistics row;
  row.temperature = temperature;
  row.log_mass = log_mass;
  row.entropy = std::max(0.0, entropy);
  return row;
}

}  // namespace

Status check_logits(std::span<const float> logits) {
  if (logits.empty()) return invalid_argument("logits expected one value per token, found none");
  unsigned bad = 0;  // without a branch, so that the loop becomes vectors
  for (const float logit : logits) bad |= static_cast<unsigned>(!(logit < kInfinity));  // true for NaN
  if (bad == 0) return ok_status();
  const auto first = std::ranges::find_if(logits, [](float logit) { return !(logit < kInfinity); });
  return invalid_argument("logits expected finite numbers or -inf, found " +
                          std::string(std::isnan(*first) ? "NaN" : "+inf") + " at token " +
                          std::to_string(first - logits.begin()));
}

double log_sum_exp(std::span<const float> logits) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  if (largest == -kInfinity) return largest;
  double sum = 0.0;
  for (const float logit : logits) sum += std::exp(logit - largest);
  return largest + std::log(sum);
}

Status check_temperature(double temperature) {
  const auto narrow = static_cast<float>(temperature);
  if (narrow > 0.0f && narrow < kInfinity) return ok_status();  // false for NaN
  return invalid_argument("log-probabilities expected a temperature above 0, found " + std::to_string(temperature));
}

Status check_row(std::span<const float> logits) {
  AZ_RETURN_IF_ERROR(check_logits(logits));
  if (*std::ranges::max_element(logits) > -kInfinity) return ok_status();
  return invalid_argument("logits expected at least one possible token, found all excluded");
}

std::vector<RowStatistics> row_statistics(const float* logits, int64_t rows, int64_t vocab, int top, double temperature,
                                          ThreadPool& pool) {
  const auto narrow = static_cast<float>(temperature);
  std::vector<double> masses(static_cast<size_t>(rows));
  std::vector<double> entropies(static_cast<size_t>(rows));
  kernels::log_sum_exp(logits, rows, vocab, vocab, narrow, masses.data(), entropies.data(), pool);
  std::vector<RowStatistics> all(static_cast<size_t>(rows));
  pool.for_each(rows, top > 0 ? 1 : rows, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      RowStatistics& one = all[static_cast<size_t>(row)];
      one = statistics_from(narrow, masses[static_cast<size_t>(row)], entropies[static_cast<size_t>(row)]);
      if (!one.has_distribution()) continue;
      one.top = best_tokens({logits + row * vocab, static_cast<size_t>(vocab)}, top, one.temperature, one.log_mass);
    }
  });
  return all;
}

RowStatistics statistics_of_row(std::span<const float> logits, double temperature, ThreadPool& pool) {
  const auto narrow = static_cast<float>(temperature);
  const auto vocab = static_cast<int64_t>(logits.size());
  double log_mass = 0.0;
  double entropy = 0.0;
  kernels::log_sum_exp(logits.data(), 1, vocab, vocab, narrow, &log_mass, &entropy, pool);
  return statistics_from(narrow, log_mass, entropy);
}

}  // namespace azimuth::sampling
