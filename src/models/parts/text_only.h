// A checkpoint that is nothing but a decoder.
#pragma once

#include "models/families.h"

namespace azimuth::models {

// Reads the whole config as the config of the text part `model_type`.
Result<ModelSpec> read_text_only(const JsonView& config, std::string_view model_type, std::string_view tokenizer_class);

}  // namespace azimuth::models
