// The attention of a layer that reads features outside of the sequence (MixerKind::cross_attention).
#pragma once

#include <span>

#include "decoder/attention_layer.h"
#include "decoder/decoder.h"

namespace azimuth::decoder {

// True where `layer` has something to read for `chunk`: features in the cache, or about to enter it.
bool sees_features(const SequenceChunk& chunk, int layer);

// normed [rows, hidden] -> output [rows, hidden], gated; zero for sequences without features. A sequence's first chunk
// writes keys and values of all its features into the layer's cache.
void cross_attention_layer(const LayerSpec& spec, const LayerWeights& weights, int layer,
                           std::span<const SequenceChunk> chunks, const Tensor& normed, AttentionWorkspace& work,
                           Tensor& output, const RunContext& context);

// The gate of the layer's MLP on its output rows [rows, hidden]: zero for tokens in front of the first picture of their
// sequence, and for sequences without one.
void gate_cross_mlp(const LayerWeights& weights, int layer, std::span<const SequenceChunk> chunks, Tensor& output);

}  // namespace azimuth::decoder
