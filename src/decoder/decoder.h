// The decoder: one loop over layers, driven by LayerSpec, for a ragged batch of sequences.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "azimuth/positions.h"
#include "azimuth/status.h"
#include "decoder/cache.h"
#include "decoder/position_encoding.h"
#include "kernels/linear.h"
#include "spec/run_context.h"
#include "spec/text_spec.h"
#include "tensor/tensor.h"

namespace azimuth::decoder {

// Of linear attention; no product has a bias.
struct LinearAttentionWeights {
  kernels::Linear mixed;   // [2 * key_heads * key_dim + value_heads * value_dim, hidden]: queries, keys, values
  kernels::Linear gate;    // [value_heads * value_dim, hidden]
  kernels::Linear write;   // [value_heads, hidden]
  kernels::Linear decay;   // [value_heads, hidden]
  Tensor convolution;      // [kernel, channels]
  Tensor decay_rate;       // [value_heads], logarithms
  Tensor decay_bias;       // [value_heads]
  Tensor norm;             // [value_dim]
  kernels::Linear output;  // [hidden, value_heads * value_dim]
};

// One gated MLP of many; without biases.
struct ExpertWeights {
  kernels::Linear gate;  // [intermediate, hidden]
  kernels::Linear up;    // [intermediate, hidden]
  kernels::Linear down;  // [hidden, intermediate]
};

struct MoeWeights {
  kernels::Linear router;  // [experts, hidden]
  std::vector<ExpertWeights> experts;
  Tensor expert_scale;          // [experts], multiplies the weight of each; or empty
  ExpertWeights shared;         // of an expert that every token takes; or empty
  kernels::Linear shared_gate;  // [1, hidden]; or empty
};

struct LayerWeights {
  Tensor attention_norm;       // [hidden]
  Tensor attention_norm_bias;  // [hidden], or empty
  kernels::Linear query;       // [heads * head_dim, hidden]; [heads, 2, head_dim] with gates, where the spec has them
  kernels::Linear key;         // [kv_heads * head_dim, hidden]
  kernels::Linear value;       // [kv_heads * value_dim, hidden]
  kernels::Linear output;      // [hidden, heads * value_dim]
  Tensor query_norm;           // [head_dim], or empty
  Tensor key_norm;             // [head_dim], or empty
  Tensor attention_post_norm;  // [hidden], or empty
  std::unique_ptr<LinearAttentionWeights> linear;  // in place of the above, where the mixer is linear attention
  Tensor mlp_norm;                                 // [hidden]
  Tensor mlp_norm_bias;                            // [hidden], or empty
  kernels::Linear gate;                            // [intermediate, hidden]; empty for a plain MLP
  kernels::Linear up;                              // [intermediate, hidden]
  kernels::Linear down;                            // [hidden, intermediate]
  MoeWeights experts;                              // where LayerSpec::experts
  Tensor mlp_post_norm;                            // [hidden], or empty
  float attention_gate = 1.0f;                     // of cross-attention, tanh applied
  float mlp_gate = 1.0f;

  // Of a layer with experts beside its MLP (MoeSpec::beside_mlp); each [hidden].
  Tensor dense_post_norm;
  Tensor router_norm;
  Tensor experts_norm;
  Tensor experts_post_norm;

  // Of a layer with an embedding of its own (per_layer_width).
  kernels::Linear per_layer_gate;    // [per_layer_width, hidden]
  kernels::Linear per_layer_output;  // [hidden, per_layer_width]
  Tensor per_layer_post_norm;        // [hidden]
  Tensor output_scalar;              // [1], or empty
};

struct DecoderWeights {
  kernels::PackedMatrix embedding;   // [vocab + extra_embeddings, input_width or hidden]
  kernels::Linear input_projection;  // [hidden, input_width], or empty
  std::vector<LayerWeights> layers;
  Tensor final_norm;                  // [hidden], or empty
  Tensor final_norm_bias;             // [hidden], or empty
  kernels::Linear output_projection;  // [input_width, hidden], or empty
  kernels::PackedMatrix head;         // [vocab, input_width or hidden]; empty when tied to the embedding

  // Per-layer embeddings, where the spec has them.
  kernels::PackedMatrix per_layer_embedding;  // [per_layer_vocab, layers * per_layer_width]
  kernels::Linear per_layer_projection;       // [layers * per_layer_width, hidden]
  Tensor per_layer_norm;                      // [per_layer_width]
  Tensor media_tokens;                        // [media_token_ids, hidden], or empty

  // Asked behind each pass: whether weights that lie in files could all be read. Unset where none do.
  std::function<Status()> intact;
};

// Rows that are added to the hidden states behind a layer, at given tokens (DeepStack).
struct LayerStream {
  int layer = 0;
  std::vector<int64_t> tokens;  // ascending token indices of the prompt
  Tensor rows;                  // [tokens, hidden]
};

// Features that stay outside of the sequence, for layers with MixerKind::cross_attention.
struct OuterFeatures {
  // [features, hidden], those that pictures fill first. Null, or without effect, once the cache holds their keys.
  std::shared_ptr<const Tensor> rows;
  std::vector<kernels::KeyRange> ranges;  // [tokens]: the features that each sees; empty without features
  int64_t first_token = 0;                // tokens before it stand in front of every picture
};

// A prompt at the decoder's entry (hook 2).
struct DecoderInput {
  Tensor hidden;             // [tokens, hidden], after injection
  std::vector<int32_t> ids;  // [tokens], where known
  std::vector<LayerStream> streams;
  // Token ranges whose tokens see each other in both directions on layers that say so; ascending
  // (Prompt::closed_regions).
  std::vector<std::pair<int64_t, int64_t>> regions;
  OuterFeatures features;

  int64_t tokens() const { return hidden.shape()[0]; }
};

// One sequence's share of a forward pass: its tokens [begin, end) enter behind what the cache already holds.
struct SequenceChunk {
  const DecoderInput* input = nullptr;
  const PositionTable* positions = nullptr;    // of the whole input
  const PositionEncoding* encoding = nullptr;  // of the same shape in all chunks of a pass
  int64_t begin = 0;
  int64_t end = 0;
  CacheState* cache = nullptr;
  int sequence = 0;  // index in the batch, for taps
  // Where the cache holds raw keys and is not empty: ids of at least its tokens, which turn the keys as they are read.
  const PositionTable* cached_positions = nullptr;
  // Of the hidden states behind the pass nobody reads but the last token's; those of the others are left unfinished.
  bool last_row_only = false;

  int64_t tokens() const { return end - begin; }
};

class PassHooks;
struct PassWorkspace;

// The memory of logits, which may be kept from token to token.
struct HeadWorkspace {
  Tensor normed;  // [rows, hidden]
  Tensor narrow;  // [rows, input_width], where the spec has one
  Tensor logits;  // [rows, vocab]
};

class Decoder {
 public:
  // `cache`: how the caches of new sequences keep keys and values.
  Decoder(TextSpec spec, DecoderWeights weights, kernels::CacheType cache = kernels::CacheType::f32)
      : spec_(std::move(spec)), weights_(std::move(weights)), cache_(cache) {}

  const TextSpec& spec() const { return spec_; }
  const Tensor& media_tokens() const { return weights_.media_tokens; }
  const DecoderWeights& weights() const { return weights_; }
  CacheState new_cache(KeyStorage keys = KeyStorage::rotated) const { return CacheState(spec_, keys, cache_); }
  kernels::CacheType cache_type() const { return cache_; }

  // Embedding rows of `ids`, scaled as the spec says: [ids, hidden]. out_of_range for an id outside the vocabulary.
  Result<Tensor> embed(std::span<const int32_t> ids) const;
  Status embed(std::span<const int32_t> ids, Tensor& rows) const;

  // Runs the chunks through all layers and appends to their caches.
  // Returns the hidden states before the final norm, chunks one after the other: [sum of tokens, hidden]. Where all
  // chunks say last_row_only, and no tap and no hook looks at them, those of other tokens lack the last layer's MLP.
  // After a failure the caches are as before the call.
  Result<Tensor> forward(std::span<const SequenceChunk> chunks, const RunContext& context) const;
  // The same in memory that is kept from pass to pass; the result is work.hidden.
  Status forward(std::span<const SequenceChunk> chunks, const RunContext& context, PassWorkspace& work) const;

  // Logits of hidden rows [rows, hidden]: final norm, head, soft cap -> [rows, vocab].
  Tensor logits(const float* hidden, int64_t rows, ThreadPool& pool) const;
  // The same into work.logits.
  void logits(const float* hidden, int64_t rows, HeadWorkspace& work, ThreadPool& pool) const;

 private:
  // Embedding rows as wide as the table has them.
  Status look_up(std::span<const int32_t> ids, Tensor& rows) const;
  // forward(), but for leaving the caches alone after a failure.
  Status run_layers(std::span<const SequenceChunk> chunks, const RunContext& context, PassWorkspace& work) const;

  TextSpec spec_;
  DecoderWeights weights_;
  kernels::CacheType cache_;
};

}  // namespace azimuth::decoder
