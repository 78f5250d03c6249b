// What every prompt gets or has to pass, whether it came as text or as ids.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "azimuth/prompt.h"
#include "azimuth/status.h"
#include "spec/prompt_spec.h"

namespace azimuth::prompt {

// Of a prompt whose ids and spans are there.
std::vector<std::pair<int64_t, int64_t>> closed_regions(const Prompt& prompt, ClosedRegions kind);

// resource_exhausted for more tokens than the context holds; 0: no check.
Status check_context(size_t tokens, int64_t context_tokens);

}  // namespace azimuth::prompt
