#include "decoder/attention_layer.h"

#include <algorithm>

namespace azimuth::decoder {
namespace {

int64_t widest(const TextSpec& spec, int64_t (*width)(const LayerSpec&)) {
  int64_t most = 0;
  for (const LayerSpec& layer : spec.layers) most = std::max(most, width(layer));
  return most;
}

void attend(const LayerSpec& spec, const SequenceChunk& chunk, const LayerCache& cache, CacheIndex cached, int64_t row,
            AttentionWorkspace& work, ThreadPool& pool) {
  const std::vector<kernels::KeyRange> ranges = key_ranges(spec, cached, chunk.tokens());
  kernels::AttentionArgs args;
  args.query_stride = int64_t{spec.heads} * spec.head_dim;
  args.queries = work.queries.data() + row * args.query_stride;
  args.query_count = chunk.tokens();
  args.query_heads = spec.heads;
  args.kv_heads = spec.kv_heads;
  args.head_dim = spec.head_dim;
  args.value_dim = spec.value_dim;
  args.key_blocks = cache.keys.blocks();
  args.value_blocks = cache.values.blocks();
  args.ranges = ranges.data();
  args.scale = spec.attention_scale;
  args.soft_cap = spec.attention_soft_cap;
  args.output_stride = int64_t{spec.heads} * spec.value_dim;
  args.output = work.attended.data() + row * args.output_stride;
  kernels::attention(args, pool);
}

}  // namespace

AttentionWorkspace::AttentionWorkspace(const TextSpec& spec, int64_t rows)
    : queries({rows, widest(spec, [](const LayerSpec& l) { return int64_t{l.heads} * l.head_dim; })}),
      keys({rows, widest(spec, [](const LayerSpec& l) { return int64_t{l.kv_heads} * l.head_dim; })}),
      values({rows, widest(spec, [](const LayerSpec& l) { return int64_t{l.kv_heads} * l.value_dim; })}),
      attended({rows, widest(spec, [](const LayerSpec& l) { return int64_t{l.heads} * l.value_dim; })}) {}

std::vector<kernels::KeyRange> key_ranges(const LayerSpec& spec, CacheIndex cached, int64_t tokens) {
  std::vector<kernels::KeyRange> ranges(static_cast<size_t>(tokens));
  for (int64_t i = 0; i < tokens; ++i) {
    const CacheIndex query = cached + i;
    const CacheIndex first = spec.window > 0 ? std::max<CacheIndex>(0, query - spec.window + 1) : 0;
    ranges[static_cast<size_t>(i)] = {first, query + 1};
  }
  return ranges;
}

void attention_layer(const LayerSpec& spec, const LayerWeights& weights, int layer,
                     std::span<const SequenceChunk> chunks, const positions::RotaryTable* rotary, bool halves,
                     const Tensor& normed, AttentionWorkspace& work, Tensor& output, ThreadPool& pool) {
  const int64_t rows = normed.shape()[0];
  const int64_t query_width = int64_t{spec.heads} * spec.head_dim;
  const int64_t key_width = int64_t{spec.kv_heads} * spec.head_dim;
  const int64_t value_width = int64_t{spec.kv_heads} * spec.value_dim;
  weights.query.apply(normed.data(), rows, work.queries.data(), pool);
  weights.key.apply(normed.data(), rows, work.keys.data(), pool);
  weights.value.apply(normed.data(), rows, work.values.data(), pool);
  if (spec.qk_norm) {
    kernels::rms_norm(work.queries.data(), rows * spec.heads, spec.head_dim, spec.head_dim, weights.query_norm.data(),
                      spec.norm_eps, work.queries.data(), spec.head_dim, pool);
    kernels::rms_norm(work.keys.data(), rows * spec.kv_heads, spec.head_dim, spec.head_dim, weights.key_norm.data(),
                      spec.norm_eps, work.keys.data(), spec.head_dim, pool);
  }
  if (rotary != nullptr) {
    kernels::rotate(work.queries.data(), rows, spec.heads, spec.head_dim, query_width, rotary->cosines.data(),
                    rotary->sines.data(), rotary->pairs, rotary->groups, halves, pool);
    kernels::rotate(work.keys.data(), rows, spec.kv_heads, spec.head_dim, key_width, rotary->cosines.data(),
                    rotary->sines.data(), rotary->pairs, rotary->groups, halves, pool);
  }
  int64_t row = 0;
  for (const SequenceChunk& chunk : chunks) {
    LayerCache& cache = chunk.cache->layer(layer);
    const CacheIndex cached = cache.keys.length();
    cache.keys.append(work.keys.data() + row * key_width, chunk.tokens(), key_width);
    cache.values.append(work.values.data() + row * value_width, chunk.tokens(), value_width);
    attend(spec, chunk, cache, cached, row, work, pool);
    row += chunk.tokens();
  }
  weights.output.apply(work.attended.data(), rows, output.data(), pool);
}

}  // namespace azimuth::decoder
