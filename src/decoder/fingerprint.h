// What tells one set of weights from another.
#pragma once

#include "base/content_hash.h"
#include "decoder/decoder.h"

namespace azimuth::decoder {

// Of some rows of every matrix of every layer, as they are in memory: another checkpoint, or another type of weights,
// has another one.
ContentHash fingerprint(const TextSpec& spec, const DecoderWeights& weights);

}  // namespace azimuth::decoder
