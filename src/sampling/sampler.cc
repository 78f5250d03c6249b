#include "sampling/sampler.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "base/rng.h"
#include "kernels/kernels.h"
#include "sampling/logprobs.h"

namespace azimuth::sampling {
namespace {

constexpr float kExcluded = -std::numeric_limits<float>::infinity();

bool in_vocabulary(int32_t id, std::span<const float> logits) {
  return id >= 0 && static_cast<size_t>(id) < logits.size();
}

void penalize_repetition(double penalty, const TokenHistory& history, SamplerWorkspace& work) {
  if (penalty == 1.0) return;
  const auto factor = static_cast<float>(penalty);
  work.counts.assign(work.logits.size(), 0);
  for (const std::span<const int32_t> ids : {history.prompt, history.generated}) {
    for (const int32_t id : ids) {
      if (!in_vocabulary(id, work.logits) || work.counts[id]++ > 0) continue;
      float& logit = work.logits[id];
      logit = logit < 0 ? logit * factor : logit / factor;
    }
  }
}

void penalize_presence(const SamplingParams& params, const TokenHistory& history, SamplerWorkspace& work) {
  if (params.presence_penalty == 0.0 && params.frequency_penalty == 0.0) return;
  work.counts.assign(work.logits.size(), 0);
  for (const int32_t id : history.generated) {
    if (in_vocabulary(id, work.logits)) ++work.counts[id];
  }
  for (size_t id = 0; id < work.logits.size(); ++id) {
    if (work.counts[id] == 0) continue;
    work.logits[id] -= static_cast<float>(params.frequency_penalty) * static_cast<float>(work.counts[id]);
    work.logits[id] -= static_cast<float>(params.presence_penalty);
  }
}

void exclude_early_stops(std::span<float> logits, const SamplingParams& params, const TokenHistory& history) {
  if (static_cast<int64_t>(history.generated.size()) >= params.min_new_tokens) return;
  for (const int32_t id : params.stop_ids) {
    if (in_vocabulary(id, logits)) logits[id] = kExcluded;
  }
}

// Large logits at small temperatures stay finite, so that differences between them exist.
void scale(std::span<float> logits, double temperature) {
  if (temperature == 1.0) return;
  constexpr float kLargest = std::numeric_limits<float>::max();
  const auto divisor = static_cast<float>(temperature);
  for (float& logit : logits) {
    if (logit != kExcluded) logit = std::clamp(logit / divisor, -kLargest, kLargest);
  }
}

// Ties with the last token that is kept are kept too, as in transformers.
void keep_top_k(std::span<float> logits, int64_t top_k, std::vector<float>& sorted) {
  if (top_k == 0 || static_cast<size_t>(top_k) >= logits.size()) return;
  sorted.assign(logits.begin(), logits.end());
  std::nth_element(sorted.begin(), sorted.begin() + (top_k - 1), sorted.end(), std::greater<>());
  const float smallest_kept = sorted[top_k - 1];
  for (float& logit : logits) {
    if (logit < smallest_kept) logit = kExcluded;
  }
}

// Keeps the most probable tokens whose predecessors hold less than top_p of the mass; of equal ones the smaller index
// comes first. A heap instead of a sort: few of a vocabulary's tokens are ever looked at.
void keep_top_p(std::span<float> logits, double top_p, std::vector<int32_t>& heap) {
  if (top_p >= 1.0) return;
  const double log_mass = log_sum_exp(logits);
  heap.clear();
  heap.reserve(logits.size());
  for (size_t id = 0; id < logits.size(); ++id) {
    if (logits[id] != kExcluded) heap.push_back(static_cast<int32_t>(id));
  }
  const auto after = [&](int32_t a, int32_t b) { return logits[a] != logits[b] ? logits[a] < logits[b] : a > b; };
  std::make_heap(heap.begin(), heap.end(), after);
  auto end = heap.end();
  double mass = 0.0;
  do {
    std::pop_heap(heap.begin(), end, after);
    mass += std::exp(logits[*--end] - log_mass);
  } while (end != heap.begin() && mass < top_p);
  for (auto id = heap.begin(); id != end; ++id) logits[*id] = kExcluded;
}

void keep_min_p(std::span<float> logits, double min_p) {
  if (min_p == 0.0) return;
  const double largest = logits[argmax(logits)];
  const double threshold = std::log(min_p);
  for (float& logit : logits) {
    if (logit - largest < threshold) logit = kExcluded;
  }
}

Status check_some_left(std::span<const float> logits) {
  if (logits[argmax(logits)] != kExcluded) return ok_status();
  return invalid_argument("sampling expected at least one possible token, found all of them excluded");
}

// Inverse transform over the ids in order.
int32_t draw(std::span<const float> logits, double random) {
  const double largest = logits[argmax(logits)];
  double mass = 0.0;
  for (const float logit : logits) mass += std::exp(logit - largest);
  const double target = random * mass;
  double passed = 0.0;
  int32_t last = -1;
  for (size_t id = 0; id < logits.size(); ++id) {
    const double weight = std::exp(logits[id] - largest);
    if (weight == 0.0) continue;
    last = static_cast<int32_t>(id);
    passed += weight;
    if (passed > target) break;
  }
  return last;
}

bool changes_logits(const SamplingParams& params) {
  return !params.greedy() || params.repetition_penalty != 1.0 || params.presence_penalty != 0.0 ||
         params.frequency_penalty != 0.0 || params.min_new_tokens > 0;
}

}  // namespace

int32_t argmax(std::span<const float> logits) {
  return static_cast<int32_t>(kernels::argmax(logits.data(), static_cast<int64_t>(logits.size())));
}

Status process_logits(std::span<const float> logits, const SamplingParams& params, const TokenHistory& history,
                      SamplerWorkspace& work) {
  AZ_RETURN_IF_ERROR(check_logits(logits));
  std::vector<float>& processed = work.logits;
  processed.assign(logits.begin(), logits.end());
  penalize_repetition(params.repetition_penalty, history, work);
  penalize_presence(params, history, work);
  exclude_early_stops(processed, params, history);
  AZ_RETURN_IF_ERROR(check_some_left(processed));
  if (params.greedy()) return ok_status();
  scale(processed, params.temperature);
  keep_top_k(processed, params.top_k, work.sorted);
  keep_top_p(processed, params.top_p, work.heap);
  keep_min_p(processed, params.min_p);
  return ok_status();
}

Result<std::vector<float>> process_logits(std::span<const float> logits, const SamplingParams& params,
                                          const TokenHistory& history) {
  SamplerWorkspace work;
  AZ_RETURN_IF_ERROR(process_logits(logits, params, history, work));
  return std::move(work.logits);
}

Result<int32_t> sample(std::span<const float> logits, const SamplingParams& params, const TokenHistory& history,
                       uint64_t request, uint64_t step, SamplerWorkspace& work) {
  if (!changes_logits(params)) {
    AZ_RETURN_IF_ERROR(check_logits(logits));
    AZ_RETURN_IF_ERROR(check_some_left(logits));
    return argmax(logits);
  }
  AZ_RETURN_IF_ERROR(process_logits(logits, params, history, work));
  return params.greedy() ? argmax(work.logits) : draw(work.logits, uniform(params.seed, request, step));
}

Result<int32_t> sample(std::span<const float> logits, const SamplingParams& params, const TokenHistory& history,
                       uint64_t request, uint64_t step) {
  SamplerWorkspace work;
  return sample(logits, params, history, request, step, work);
}

}  // namespace azimuth::sampling
