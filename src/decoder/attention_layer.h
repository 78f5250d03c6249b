// The attention half of a decoder layer.
#pragma once

#include <span>

#include "decoder/decoder.h"
#include "decoder/rotations.h"

namespace azimuth::decoder {

// Scratch rows of forward passes, reused by every layer.
struct AttentionWorkspace {
  Tensor queries;   // [rows, heads * head_dim]
  Tensor keys;      // [rows, kv_heads * head_dim]
  Tensor values;    // [rows, kv_heads * value_dim]
  Tensor attended;  // [rows, heads * value_dim]
  Tensor gated;     // [rows, heads, 2, head_dim]: queries beside their gates, of layers that have them; or empty
  Tensor states;    // [tokens of a chunk, state_width]: what a score term keeps of each
  std::vector<kernels::KeyRange> ranges;  // [tokens of a chunk]: what each sees in the layer at work

  void resize(const TextSpec& spec, int64_t rows);
};

// normed [rows, hidden] -> output [rows, hidden]; appends the rows' keys and values to the chunks' caches. `rotation`
// holds their cosines and sines, or is nullptr for a layer without rotation.
void attention_layer(const LayerSpec& spec, const LayerWeights& weights, int layer,
                     std::span<const SequenceChunk> chunks, const Rotation* rotation, const Tensor& normed,
                     AttentionWorkspace& work, Tensor& output, const RunContext& context);

// Fresh keys [rows, kv_heads, head_dim] and values [rows, kv_heads, value_dim] of `inputs` [rows, hidden], behind their
// norms and not turned.
void project_keys(const LayerSpec& spec, const LayerWeights& weights, const Tensor& inputs, Tensor& keys,
                  Tensor& values, ThreadPool& pool);

// The cache indices that each query of `chunk` sees, behind `cached` tokens: those before it within the layer's window
// and, on bidirectional layers, those behind it in its closed region. `ranges` is overwritten: [tokens of the chunk].
void key_ranges(const LayerSpec& spec, CacheIndex cached, const SequenceChunk& chunk,
                std::vector<kernels::KeyRange>& ranges);

}  // namespace azimuth::decoder
