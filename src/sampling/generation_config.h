// generation_config.json: what a checkpoint's authors recommend for sampling, and its end-of-text ids.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "azimuth/status.h"
#include "sampling/params.h"

namespace azimuth::sampling {

struct GenerationConfig {
  SamplingParams params;                 // defaults of run and chat; max_new_tokens only where the file sets it
  std::vector<int32_t> end_of_text_ids;  // also in params.stop_ids
};

// Reads the text of the file. As for transformers, do_sample = false (its default) means greedy decoding whatever the
// temperature, and eos_token_id is a number or a list. Unknown keys are ignored.
// Errors: invalid_argument that names the key, for values of the wrong type and those that validate() refuses.
Result<GenerationConfig> parse_generation_config(std::string_view text);

}  // namespace azimuth::sampling
