// Per-layer embeddings: a small second embedding of every token for each layer, mixed with what the token is in this
// prompt (Gemma 3n, Gemma 4).
#pragma once

#include <span>

#include "decoder/decoder.h"

namespace azimuth::decoder {

struct PerLayerWorkspace {
  Tensor inputs;     // [rows, layers * width]: what every layer gets of the rows of a pass
  Tensor table_row;  // [1, layers * width]
  Tensor gate;       // [rows, width], of the layer at work
};

// Fills work.inputs. `hidden` [rows, hidden] are the embeddings behind injection. invalid_argument where the ids of a
// chunk's tokens are not known.
Status per_layer_inputs(const TextSpec& spec, const DecoderWeights& weights, std::span<const SequenceChunk> chunks,
                        const Tensor& hidden, PerLayerWorkspace& work, ThreadPool& pool);

// hidden += norm(projection(act(gate(hidden)) * input of the layer)), of a layer with per_layer_width.
void add_per_layer_input(const LayerSpec& spec, const LayerWeights& weights, int layer, PerLayerWorkspace& work,
                         Tensor& update, Tensor& hidden, ThreadPool& pool);

}  // namespace azimuth::decoder
