// How the next token is chosen, and when to stop. Defaults are greedy decoding without any rule.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "azimuth/status.h"

namespace azimuth::sampling {

struct SamplingParams {
  double temperature = 0.0;         // 0: greedy; otherwise at least kMinTemperature
  int64_t top_k = 0;                // 0: off
  double top_p = 1.0;               // [0, 1]; 1: off, 0 keeps the best token
  double min_p = 0.0;               // [0, 1], relative to the best token; 0: off
  double repetition_penalty = 1.0;  // > 0, on tokens of the prompt and generated ones; 1: off
  double presence_penalty = 0.0;    // [-2, 2], once per token that was generated
  double frequency_penalty = 0.0;   // [-2, 2], times the count among generated tokens
  uint64_t seed = 0;
  std::vector<std::string> stop_strings;  // the text ends before the first of them; at most kMaxStopStrings
  std::vector<int32_t> stop_ids;          // tokens that end the text, end-of-text ids included
  int64_t max_new_tokens = 512;
  int64_t min_new_tokens = 0;  // stop_ids are impossible and stop_strings ignored before that many

  static constexpr double kMinTemperature = 1e-6;
  static constexpr int64_t kMaxNewTokens = int64_t{1} << 31;
  static constexpr size_t kMaxStopStrings = 64;
  static constexpr size_t kMaxStopStringBytes = 4096;

  bool greedy() const { return temperature == 0.0; }
};

// invalid_argument that names the parameter, its range and the value, or success.
Status validate(const SamplingParams& params);

}  // namespace azimuth::sampling
