// Linear attention of a decoder layer: the gated delta rule behind a causal convolution (Gated DeltaNet, arXiv
// 2412.06464; transformers: Qwen3_5GatedDeltaNet). Its memory of a sequence is a matrix per head instead of keys and
// values.
//
// The reference sums prompts in chunks of 64 tokens and decodes token by token; here both go token by token, so that
// decoding gives what prefilling gives, bit for bit.
#pragma once

#include <span>

#include "decoder/decoder.h"

namespace azimuth::decoder {

// normed [rows, hidden] -> output [rows, hidden]; the rows' chunks move the states in their caches on.
void linear_attention(const LayerSpec& spec, const LinearAttentionWeights& weights, int layer,
                      std::span<const SequenceChunk> chunks, const Tensor& normed, Tensor& output, ThreadPool& pool);

}  // namespace azimuth::decoder
