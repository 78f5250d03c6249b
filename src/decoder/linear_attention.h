// Linear attention of a decoder layer: the gated delta rule behind a causal convolution (Gated DeltaNet, arXiv
// 2412.06464; transformers: Qwen3_5GatedDeltaNet). Its memory of a sequence is a matrix per head instead of keys and
// values.
//
// The reference sums prompts in chunks of 64 tokens and decodes token by token; here both go token by token, so that
// decoding gives what prefilling gives, bit for bit.
#pragma once

#include <span>

#include "decoder/cache_marks.h"
#include "decoder/decoder.h"

namespace azimuth::decoder {

// Scratch of passes, shared by all layers.
struct LinearWorkspace {
  Tensor mixed;      // [rows, channels]: queries, keys, values before the convolution
  Tensor gate;       // [rows, value_heads * value_dim]
  Tensor write;      // [rows, value_heads]: how much of a value is written, before the sigmoid
  Tensor decay;      // [rows, value_heads]: how fast the memory fades, before the softplus
  Tensor convolved;  // [tokens of a chunk, channels]
  Tensor heads;      // [value_heads, 2 * key_dim + value_dim]: of each, what it works on
  Tensor attended;   // [rows, value_heads * value_dim]

  void resize(const LinearAttentionSpec& spec, int64_t rows);
};

// normed [rows, hidden] -> output [rows, hidden]; the rows' chunks move the states in their caches on. `marks`: of this
// pass, where the states of the one before lend their memory.
void linear_attention(const LayerSpec& spec, const LinearAttentionWeights& weights, int layer,
                      std::span<const SequenceChunk> chunks, const Tensor& normed, CacheMarks& marks,
                      LinearWorkspace& work, Tensor& output, ThreadPool& pool);

}  // namespace azimuth::decoder
