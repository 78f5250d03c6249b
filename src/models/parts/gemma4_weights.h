// Names of the tensors of Gemma 4's decoder.
#pragma once

#include <string>
#include <vector>

#include "spec/text_spec.h"
#include "spec/weight_map.h"

namespace azimuth::models {

// Slots decoder.* of `text`. Each tensor is looked for behind each of `prefixes` in turn, the head under each of
// `heads`. Layers that read the keys of others have no slots for keys and values, whatever files hold.
void add_gemma4_decoder_weights(const TextSpec& text, const std::vector<std::string>& prefixes,
                                const std::vector<std::string>& heads, WeightMap& map);

}  // namespace azimuth::models
