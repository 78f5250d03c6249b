// Per-layer embeddings: a small second embedding of every token for each layer, mixed with what the token is in this
// prompt (Gemma 3n, Gemma 4).
#pragma once

#include <span>

#include "decoder/decoder.h"

namespace azimuth::decoder {

// What every layer gets of the rows of a pass: [rows, layers * width]. `hidden` [rows, hidden] are the embeddings
// behind injection. invalid_argument where the ids of a chunk's tokens are not known.
Result<Tensor> per_layer_inputs(const TextSpec& spec, const DecoderWeights& weights,
                                std::span<const SequenceChunk> chunks, const Tensor& hidden, ThreadPool& pool);

// hidden += norm(projection(act(gate(hidden)) * input of the layer)), of a layer with per_layer_width.
void add_per_layer_input(const LayerSpec& spec, const LayerWeights& weights, int layer, const Tensor& inputs,
                         Tensor& update, Tensor& hidden, ThreadPool& pool);

}  // namespace azimuth::decoder
