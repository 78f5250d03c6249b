// Source: transformers, MllamaTextCrossAttention and MllamaCrossAttentionDecoderLayer.
#include "decoder/cross_attention.h"

#include <algorithm>

namespace azimuth::decoder {
namespace {

bool has_fresh_features(const SequenceChunk& chunk) {
  return chunk.input->features.rows != nullptr && chunk.input->features.rows->shape()[0] > 0;
}

// Keys and values of the features, into the layer's cache.
void read_features(const LayerSpec& spec, const LayerWeights& weights, const Tensor& features, LayerCache& cache,
                   ThreadPool& pool) {
  const int64_t rows = features.shape()[0];
  const int64_t key_width = int64_t{spec.kv_heads} * spec.head_dim;
  const int64_t value_width = int64_t{spec.kv_heads} * spec.value_dim;
  Tensor keys({rows, key_width});
  Tensor values({rows, value_width});
  project_keys(spec, weights, features, keys, values, pool);
  cache.keys.append(keys.data(), rows, key_width, &pool);
  cache.values.append(values.data(), rows, value_width, &pool);
}

// Queries of one chunk, which start at row `row` of the pass, over its features.
void attend_features(const LayerSpec& spec, const SequenceChunk& chunk, const LayerCache& cache, int64_t row,
                     AttentionWorkspace& work, ThreadPool& pool) {
  kernels::AttentionArgs args;
  args.query_stride = int64_t{spec.heads} * spec.head_dim;
  args.queries = work.queries.data() + row * args.query_stride;
  args.query_count = chunk.tokens();
  args.query_heads = spec.heads;
  args.kv_heads = spec.kv_heads;
  args.head_dim = spec.head_dim;
  args.value_dim = spec.value_dim;
  args.cache = cache.keys.type();
  args.key_blocks = cache.keys.blocks();
  args.value_blocks = cache.values.blocks();
  args.ranges = chunk.input->features.ranges.data() + chunk.begin;
  args.scale = spec.attention_scale;
  args.output_stride = int64_t{spec.heads} * spec.value_dim;
  args.output = work.attended.data() + row * args.output_stride;
  kernels::attention(args, pool);
}

}  // namespace

bool sees_features(const SequenceChunk& chunk, int layer) {
  return has_fresh_features(chunk) || chunk.cache->layer(layer).keys.length() > 0;
}

void cross_attention_layer(const LayerSpec& spec, const LayerWeights& weights, int layer,
                           std::span<const SequenceChunk> chunks, const Tensor& normed, AttentionWorkspace& work,
                           Tensor& output, const RunContext& context) {
  ThreadPool& pool = context.pool;
  const int64_t rows = normed.shape()[0];
  const int64_t attended_width = int64_t{spec.heads} * spec.value_dim;
  weights.query.apply(normed.data(), rows, work.queries.data(), pool);
  kernels::rms_norm(work.queries.data(), rows * spec.heads, spec.head_dim, spec.head_dim, weights.query_norm.data(),
                    spec.norm_eps, work.queries.data(), spec.head_dim, pool);
  int64_t row = 0;
  for (const SequenceChunk& chunk : chunks) {
    LayerCache& cache = chunk.cache->layer(layer);
    if (cache.keys.length() == 0 && has_fresh_features(chunk)) {
      read_features(spec, weights, *chunk.input->features.rows, cache, pool);
    }
    if (cache.keys.length() > 0) {
      attend_features(spec, chunk, cache, row, work, pool);
    } else {
      std::fill_n(work.attended.data() + row * attended_width, chunk.tokens() * attended_width, 0.0f);
    }
    row += chunk.tokens();
  }
  weights.output.apply(work.attended.data(), rows, output.data(), pool);
  for (int64_t i = 0; i < rows * output.row_elements(); ++i) output.data()[i] *= weights.attention_gate;
}

void gate_cross_mlp(const LayerWeights& weights, int layer, std::span<const SequenceChunk> chunks, Tensor& output) {
  float* x = output.data();
  for (const SequenceChunk& chunk : chunks) {
    const bool sees = sees_features(chunk, layer);
    for (int64_t token = chunk.begin; token < chunk.end; ++token, x += output.row_elements()) {
      const bool closed = !sees || token < chunk.input->features.first_token;
      const float gate = closed ? 0.0f : weights.mlp_gate;
      for (int64_t channel = 0; channel < output.row_elements(); ++channel) x[channel] *= gate;
    }
  }
}

}  // namespace azimuth::decoder
