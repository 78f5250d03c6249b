// Features that stay outside of the sequence, and which token sees which of them.
#pragma once

#include <span>

#include "azimuth/prompt.h"
#include "decoder/decoder.h"
#include "spec/media_features.h"

namespace azimuth::decoder {

// For the spans of `prompt` with Delivery::cross; empty where it has none. Errors: none; counts are inject()'s to
// check.
OuterFeatures outer_features(const Prompt& prompt, std::span<const MediaFeatures* const> images, int64_t hidden);

}  // namespace azimuth::decoder
