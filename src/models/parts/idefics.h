// What Idefics2, Idefics3 and SmolVLM share: a SigLIP tower with bucketised positions, and names of weights.
#pragma once

#include <string>
#include <vector>

#include "models/families.h"

namespace azimuth::models {

inline constexpr std::string_view kIdeficsMarker = "<fake_token_around_image>";
inline constexpr std::string_view kIdeficsImage = "<image>";

// The tower up to its last norm; the family adds the projector.
Result<VisionSpec> read_idefics_tower(const JsonView& config, int64_t hidden, int64_t heads);

// The decoder under `text_config`, of model_type `fallback` where it names none, and the tower under `vision_config`
// through the vision part `tower`. Their weights are mapped; the projector's are not.
Status read_idefics_parts(const JsonView& config, std::string_view fallback, std::string_view tower, ModelSpec& spec);

// Prefixes of the connector's tensors.
std::vector<std::string> idefics_connector();

// Idefics3 and SmolVLM: neighbouring patches side by side, one product; tiles with the whole image last.
Result<ModelSpec> read_pixel_shuffle_model(const JsonView& config);

}  // namespace azimuth::models
