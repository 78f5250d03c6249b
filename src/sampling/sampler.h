// From logits to the next token. The processors run in the order of transformers 5.23's generate(): repetition penalty,
// minimum length, temperature, top-k, top-p, min-p; presence and frequency penalties (OpenAI's, unknown to
// transformers) follow the repetition penalty.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "azimuth/status.h"
#include "sampling/params.h"

namespace azimuth::sampling {

// The tokens before the one to choose. Ids outside of the vocabulary are ignored.
struct TokenHistory {
  std::span<const int32_t> prompt;
  std::span<const int32_t> generated;
};

// The memory of choosing, which may be kept from token to token.
struct SamplerWorkspace {
  std::vector<float> logits;    // [vocab], behind the processors
  std::vector<float> sorted;    // [vocab], as far as the largest
  std::vector<int32_t> heap;    // ids that are not excluded
  std::vector<int32_t> counts;  // [vocab]: how often each token came before
};

// Chooses the token of step `step` of request `request` from `logits` [vocab], which must be free of NaN and +inf; -inf
// excludes a token. Greedy takes the smallest index of the largest logit, as torch.argmax does. Otherwise the choice
// depends on the arguments alone: random numbers come from uniform(seed, request, step).
// Errors: invalid_argument for bad logits, or where every token is excluded. `params` must have passed validate().
Result<int32_t> sample(std::span<const float> logits, const SamplingParams& params, const TokenHistory& history,
                       uint64_t request, uint64_t step, SamplerWorkspace& work);
Result<int32_t> sample(std::span<const float> logits, const SamplingParams& params, const TokenHistory& history,
                       uint64_t request, uint64_t step);

// What sample() draws from, to work.logits: the logits after all processors, -inf where a token is excluded.
Status process_logits(std::span<const float> logits, const SamplingParams& params, const TokenHistory& history,
                      SamplerWorkspace& work);
Result<std::vector<float>> process_logits(std::span<const float> logits, const SamplingParams& params,
                                          const TokenHistory& history);

// The smallest index of the largest value; `logits` must not be empty.
int32_t argmax(std::span<const float> logits);

}  // namespace azimuth::sampling
