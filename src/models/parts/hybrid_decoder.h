// The decoder of the Qwen3.5 line, as data: most layers are linear attention (gated delta rule), some attend, with a
// sigmoid gate behind their values and a share of the head that turns.
#pragma once

#include "models/parts/dense_decoder.h"

namespace azimuth::models {

// As read_dense_decoder, with layers of both kinds. Errors: heads of linear attention that do not divide, unknown or
// missing layer_types.
Result<TextSpec> read_hybrid_decoder(const JsonView& config, const DenseTraits& traits);

}  // namespace azimuth::models
