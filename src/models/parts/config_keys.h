// The one place that knows how Hugging Face configs spell things, in both generations (transformers 4 and 5).
#pragma once

#include <string>
#include <vector>

#include "azimuth/status.h"
#include "base/json.h"
#include "spec/activation.h"
#include "spec/rope_spec.h"

namespace azimuth::models {

// hidden_act and its kin: "silu", "gelu", "gelu_pytorch_tanh", ...
Result<Activation> read_activation(const JsonView& config, std::string_view key, std::string_view fallback);

// A size that is written as a number or as a list of equal numbers (patch_size: 16 or [16, 16]).
Result<int64_t> read_square(const JsonView& config, std::string_view key, int64_t fallback, int64_t min, int64_t max);

// rope_parameters (transformers 5), or rope_theta and rope_scaling (4). `section` is mrope_section's default; empty:
// the model has one axis and the key is ignored.
Result<RopeSpec> read_rope(const JsonView& config, int rotary_dim, double default_theta,
                           const std::vector<int>& section);

// rope_parameters of one layer type, where transformers 5 nests them by layer type (Gemma 3 and 4).
Result<RopeSpec> read_layer_rope(const JsonView& config, std::string_view layer_type, int rotary_dim,
                                 double default_theta);

}  // namespace azimuth::models
