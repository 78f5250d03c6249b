// A sequence's attention in a layer whose scores a term changes.
#pragma once

#include "decoder/attention_layer.h"

namespace azimuth::decoder {

// Appends a chunk's keys, values and state rows to its cache and attends; segment by segment where the term has
// segments. Queries, keys and values of the chunk are in `work` from `row` on, its layer inputs in `normed`; the result
// goes to work.attended.
void attend_with_term(const LayerSpec& spec, const LayerWeights& weights, int layer, const SequenceChunk& chunk,
                      const Tensor& normed, int64_t row, AttentionWorkspace& work, const RunContext& context);

}  // namespace azimuth::decoder
