#include "decoder/attention_layer.h"

#include <algorithm>
#include <cmath>

#include "decoder/term_layer.h"
#include "decoder/weight_rows.h"

namespace azimuth::decoder {
namespace {

int64_t widest(const TextSpec& spec, int64_t (*width)(const LayerSpec&)) {
  int64_t most = 0;
  for (const LayerSpec& layer : spec.layers) most = std::max(most, width(layer));
  return most;
}

// `keys`: of all tokens in the cache, turned.
void attend(const LayerSpec& spec, int layer, const SequenceChunk& chunk, const LayerCache& cache,
            const kernels::KvBlocks& keys, CacheIndex cached, int64_t row, AttentionWorkspace& work,
            const RunContext& context) {
  key_ranges(spec, cached, chunk, work.ranges);
  kernels::AttentionArgs args;
  args.query_stride = int64_t{spec.heads} * spec.head_dim;
  args.queries = work.queries.data() + row * args.query_stride;
  args.query_count = chunk.tokens();
  args.query_heads = spec.heads;
  args.kv_heads = spec.kv_heads;
  args.head_dim = spec.head_dim;
  args.value_dim = spec.value_dim;
  args.cache = keys.type();
  args.key_blocks = keys.blocks();
  args.value_blocks = cache.values.blocks();
  args.ranges = work.ranges.data();
  args.scale = spec.attention_scale;
  args.soft_cap = spec.attention_soft_cap;
  args.output_stride = int64_t{spec.heads} * spec.value_dim;
  args.output = work.attended.data() + row * args.output_stride;
  WeightRows weights(context, {Stage::attention, layer, chunk.sequence, cached}, chunk.tokens(), spec.heads,
                     keys.length());
  std::vector<float> log_sum_exp;  // [queries, heads]
  if (!weights.empty()) log_sum_exp.resize(static_cast<size_t>(chunk.tokens() * spec.heads));
  args.log_sum_exp = weights.empty() ? nullptr : log_sum_exp.data();
  kernels::attention(args, context.pool);
  if (weights.empty()) return;
  weights.recompute(args);
  weights.show();
}

void rotate_rows(const LayerSpec& spec, const positions::RotaryTable& table, bool halves, int64_t first, int64_t rows,
                 int heads, float* x, ThreadPool& pool) {
  const int64_t width = int64_t{heads} * spec.head_dim;
  const int64_t entry = first * table.groups * table.pairs;
  kernels::rotate(x, rows, heads, spec.head_dim, width, table.cosines.data() + entry, table.sines.data() + entry,
                  table.pairs, table.groups, halves, pool);
}

// Turns the rows of a pass: queries, and the keys that go turned into their caches.
void rotate_pass(const LayerSpec& spec, const Rotation& rotation, std::span<const SequenceChunk> chunks, int64_t rows,
                 AttentionWorkspace& work, ThreadPool& pool) {
  rotate_rows(spec, rotation.rows, rotation.halves, 0, rows, spec.heads, work.queries.data(), pool);
  if (spec.kv_source >= 0) return;
  if (rotation.history.empty()) {
    rotate_rows(spec, rotation.rows, rotation.halves, 0, rows, spec.kv_heads, work.keys.data(), pool);
    return;
  }
  int64_t row = 0;
  for (size_t i = 0; i < chunks.size(); ++i) {
    float* keys = work.keys.data() + row * spec.kv_heads * spec.head_dim;
    if (!rotation.has_history(i)) {
      rotate_rows(spec, rotation.rows, rotation.halves, row, chunks[i].tokens(), spec.kv_heads, keys, pool);
    }
    row += chunks[i].tokens();
  }
}

// The raw keys of a cache, turned by the ids that its tokens have now.
kernels::KvBlocks turned_keys(const LayerSpec& spec, const kernels::KvBlocks& raw,
                              const positions::RotaryTable& history, bool halves, ThreadPool& pool) {
  Tensor rows({raw.length(), int64_t{spec.kv_heads} * spec.head_dim});
  for (int64_t token = 0; token < raw.length(); ++token) {
    for (int head = 0; head < spec.kv_heads; ++head)
      raw.read(head, token, rows.row(token) + int64_t{head} * spec.head_dim);
  }
  rotate_rows(spec, history, halves, 0, raw.length(), spec.kv_heads, rows.data(), pool);
  kernels::KvBlocks turned(kernels::KvRole::keys, raw.type(), spec.kv_heads, spec.head_dim);
  turned.append(rows.data(), raw.length(), rows.row_elements(), &pool);
  return turned;
}

// The queries out of pairs of query and gate.
void take_queries(const LayerSpec& spec, int64_t rows, AttentionWorkspace& work) {
  for (int64_t head = 0; head < rows * spec.heads; ++head) {
    std::copy_n(work.gated.data() + 2 * head * spec.head_dim, spec.head_dim,
                work.queries.data() + head * spec.head_dim);
  }
}

// Multiplies what was attended by the sigmoid of each head's gate, which is as wide as its values.
void gate_output(const LayerSpec& spec, int64_t rows, AttentionWorkspace& work) {
  for (int64_t head = 0; head < rows * spec.heads; ++head) {
    const float* gate = work.gated.data() + (2 * head + 1) * spec.head_dim;
    float* attended = work.attended.data() + head * spec.value_dim;
    for (int i = 0; i < spec.value_dim; ++i) attended[i] /= 1.0f + std::exp(-gate[i]);
  }
}

}  // namespace

void AttentionWorkspace::resize(const TextSpec& spec, int64_t rows) {
  queries.resize({rows, widest(spec, [](const LayerSpec& l) { return int64_t{l.heads} * l.head_dim; })});
  keys.resize({rows, widest(spec, [](const LayerSpec& l) { return int64_t{l.kv_heads} * l.head_dim; })});
  values.resize({rows, widest(spec, [](const LayerSpec& l) { return int64_t{l.kv_heads} * l.value_dim; })});
  attended.resize({rows, widest(spec, [](const LayerSpec& l) { return int64_t{l.heads} * l.value_dim; })});
  const int64_t gates =
      widest(spec, [](const LayerSpec& l) { return l.query_gate ? 2 * int64_t{l.heads} * l.head_dim : 0; });
  if (gates > 0) gated.resize({rows, gates});
}

void key_ranges(const LayerSpec& spec, CacheIndex cached, const SequenceChunk& chunk,
                std::vector<kernels::KeyRange>& ranges) {
  ranges.resize(static_cast<size_t>(chunk.tokens()));
  for (int64_t i = 0; i < chunk.tokens(); ++i) {
    const CacheIndex query = cached + i;
    const CacheIndex first = spec.window > 0 ? std::max<CacheIndex>(0, query - spec.window + 1) : 0;
    ranges[static_cast<size_t>(i)] = {first, query + 1};
  }
  if (!spec.bidirectional) return;
  for (const auto& [begin, end] : chunk.input->regions) {
    for (int64_t token = std::max(begin, chunk.begin); token < std::min(end, chunk.end); ++token) {
      kernels::KeyRange& range = ranges[static_cast<size_t>(token - chunk.begin)];
      range.end = cached + std::min(end, chunk.end) - chunk.begin;
      if (spec.regions_beyond_window) range.begin = std::min(range.begin, cached + begin - chunk.begin);
    }
  }
}

namespace {

// Norms of keys and values [rows, kv_heads, dim] as they come from their products.
void norm_keys(const LayerSpec& spec, const LayerWeights& weights, int64_t rows, Tensor& keys, Tensor& values,
               ThreadPool& pool) {
  if (spec.keys_are_values) std::copy_n(keys.data(), rows * spec.kv_heads * spec.head_dim, values.data());
  if (spec.qk_norm) {
    kernels::rms_norm(keys.data(), rows * spec.kv_heads, spec.head_dim, spec.head_dim, weights.key_norm.data(),
                      spec.norm_eps, keys.data(), spec.head_dim, pool);
  }
  if (!spec.value_norm) return;
  kernels::rms_norm(values.data(), rows * spec.kv_heads, spec.value_dim, spec.value_dim, nullptr, spec.norm_eps,
                    values.data(), spec.value_dim, pool);
}

// Queries, keys and values of a pass, normed but not turned. A layer that reads another one's keys has queries only.
void project(const LayerSpec& spec, const LayerWeights& weights, const Tensor& normed, AttentionWorkspace& work,
             ThreadPool& pool) {
  const int64_t rows = normed.shape()[0];
  const kernels::Product products[] = {weights.query.product(spec.query_gate ? work.gated.data() : work.queries.data()),
                                       weights.key.product(work.keys.data()),
                                       weights.value.product(work.values.data())};
  const size_t count = spec.kv_source >= 0 ? 1 : spec.keys_are_values ? 2 : 3;
  kernels::matmul_all({products, count}, normed.data(), rows, normed.row_elements(), pool);
  if (spec.query_gate) take_queries(spec, rows, work);
  if (spec.qk_norm) {
    kernels::rms_norm(work.queries.data(), rows * spec.heads, spec.head_dim, spec.head_dim, weights.query_norm.data(),
                      spec.norm_eps, work.queries.data(), spec.head_dim, pool);
  }
  if (spec.kv_source < 0) norm_keys(spec, weights, rows, work.keys, work.values, pool);
}

}  // namespace

void project_keys(const LayerSpec& spec, const LayerWeights& weights, const Tensor& inputs, Tensor& keys,
                  Tensor& values, ThreadPool& pool) {
  const kernels::Product products[] = {weights.key.product(keys.data()), weights.value.product(values.data())};
  const size_t count = spec.keys_are_values ? 1 : 2;
  kernels::matmul_all({products, count}, inputs.data(), inputs.shape()[0], inputs.row_elements(), pool);
  norm_keys(spec, weights, inputs.shape()[0], keys, values, pool);
}

void attention_layer(const LayerSpec& spec, const LayerWeights& weights, int layer,
                     std::span<const SequenceChunk> chunks, const Rotation* rotation, const Tensor& normed,
                     AttentionWorkspace& work, Tensor& output, const RunContext& context) {
  ThreadPool& pool = context.pool;
  const int64_t rows = normed.shape()[0];
  const int64_t key_width = int64_t{spec.kv_heads} * spec.head_dim;
  const int64_t value_width = int64_t{spec.kv_heads} * spec.value_dim;
  project(spec, weights, normed, work, pool);
  if (rotation != nullptr) rotate_pass(spec, *rotation, chunks, rows, work, pool);
  int64_t row = 0;
  for (size_t i = 0; i < chunks.size(); ++i) {
    const SequenceChunk& chunk = chunks[i];
    if (chunk.encoding->score_term) {
      attend_with_term(spec, weights, layer, chunk, normed, row, work, context);
      row += chunk.tokens();
      continue;
    }
    const bool shared = spec.kv_source >= 0;  // that layer has appended the chunk's keys and values already
    LayerCache& cache = chunk.cache->layer(shared ? spec.kv_source : layer);
    const CacheIndex cached = shared ? cache.length() - chunk.tokens() : cache.length();
    if (!shared) {
      cache.keys.append(work.keys.data() + row * key_width, chunk.tokens(), key_width, &pool);
      cache.values.append(work.values.data() + row * value_width, chunk.tokens(), value_width, &pool);
    }
    if (rotation != nullptr && rotation->has_history(i)) {
      const kernels::KvBlocks keys = turned_keys(spec, cache.keys, rotation->history[i], rotation->halves, pool);
      attend(spec, layer, chunk, cache, keys, cached, row, work, context);
    } else {
      attend(spec, layer, chunk, cache, cache.keys, cached, row, work, context);
    }
    row += chunk.tokens();
  }
  if (spec.query_gate) gate_output(spec, rows, work);
  weights.output.apply(work.attended.data(), rows, output.data(), pool);
}

}  // namespace azimuth::decoder
