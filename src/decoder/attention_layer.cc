#include "decoder/attention_layer.h"

#include <algorithm>

#include "decoder/score_attention.h"

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

void norm_keys(const LayerSpec& spec, const LayerWeights& weights, int64_t rows, float* keys, ThreadPool& pool) {
  if (!spec.qk_norm) return;
  kernels::rms_norm(keys, rows * spec.kv_heads, spec.head_dim, spec.head_dim, weights.key_norm.data(), spec.norm_eps,
                    keys, spec.head_dim, pool);
}

// Lets keys and values begin at `begin`: those of the tokens from there to the end of the cache are computed from the
// layer inputs that the term's state rows are.
void recall(const LayerSpec& spec, const LayerWeights& weights, CacheIndex begin, LayerCache& cache, int64_t hidden,
            ThreadPool& pool) {
  const int64_t rows = cache.length() - begin;
  const int64_t key_width = int64_t{spec.kv_heads} * spec.head_dim;
  const int64_t value_width = int64_t{spec.kv_heads} * spec.value_dim;
  Tensor inputs({rows, hidden});
  for (int64_t row = 0; row < rows; ++row) std::copy_n(cache.state.row(0, begin + row), hidden, inputs.row(row));
  Tensor keys({rows, key_width});
  Tensor values({rows, value_width});
  weights.key.apply(inputs.data(), rows, keys.data(), pool);
  weights.value.apply(inputs.data(), rows, values.data(), pool);
  norm_keys(spec, weights, rows, keys.data(), pool);
  cache.keys.truncate(0);
  cache.values.truncate(0);
  cache.first = begin;
  cache.keys.append(keys.data(), rows, key_width);
  cache.values.append(values.data(), rows, value_width);
}

// Appends the term's state rows of new tokens.
void append_state(const ScoreTerm& term, const NewTokens& tokens, LayerCache& cache) {
  if (tokens.first == 0) cache.state = kernels::KvBlocks(1, term.state_width());
  const float* previous = tokens.first == 0 ? nullptr : cache.state.row(0, tokens.first - 1);
  Tensor rows({tokens.count, term.state_width()});
  term.write_state(tokens, previous, rows.data());
  cache.state.append(rows.data(), tokens.count, term.state_width());
}

// Appends and attends under a score term; segment by segment where the term has segments. The chunk's queries, keys and
// values are in `work` from `row` on, its layer inputs in `normed`.
void attend_with_term(const LayerSpec& spec, const LayerWeights& weights, int layer, const SequenceChunk& chunk,
                      const Tensor& normed, int64_t row, AttentionWorkspace& work, ThreadPool& pool) {
  const ScoreTerm& term = *chunk.encoding->score_term;
  const positions::SegmentMemory* segments = term.segments();
  const PositionSet& set = chunk.positions->set_for_layer(layer);
  const int64_t key_width = int64_t{spec.kv_heads} * spec.head_dim;
  const int64_t value_width = int64_t{spec.kv_heads} * spec.value_dim;
  LayerCache& cache = chunk.cache->layer(layer);
  const CacheIndex cached = cache.length();
  const std::vector<kernels::KeyRange> ranges = key_ranges(spec, cached, chunk.tokens());
  for (int64_t done = 0; done < chunk.tokens();) {
    const CacheIndex first = cached + done;
    int64_t count = chunk.tokens() - done;
    if (segments != nullptr) {
      count = std::min(count, segments->segment_end(first) - first);
      const CacheIndex begin = segments->memory_begin(first);
      if (begin != cache.first) recall(spec, weights, begin, cache, normed.row_elements(), pool);
    }
    const int64_t from = row + done;
    cache.keys.append(work.keys.data() + from * key_width, count, key_width);
    cache.values.append(work.values.data() + from * value_width, count, value_width);
    append_state(term, {layer, first, count, set.token(chunk.begin + done), set.axes, normed.row(from)}, cache);
    const float* queries = work.queries.data() + from * spec.heads * spec.head_dim;
    float* output = work.attended.data() + from * spec.heads * spec.value_dim;
    score_attention({spec, term, layer, cache, first, count, queries, output}, ranges.data() + done, pool);
    done += count;
  }
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
    norm_keys(spec, weights, rows, work.keys.data(), pool);
  }
  if (rotary != nullptr) {
    kernels::rotate(work.queries.data(), rows, spec.heads, spec.head_dim, query_width, rotary->cosines.data(),
                    rotary->sines.data(), rotary->pairs, rotary->groups, halves, pool);
    kernels::rotate(work.keys.data(), rows, spec.kv_heads, spec.head_dim, key_width, rotary->cosines.data(),
                    rotary->sines.data(), rotary->pairs, rotary->groups, halves, pool);
  }
  int64_t row = 0;
  for (const SequenceChunk& chunk : chunks) {
    if (chunk.encoding->score_term) {
      attend_with_term(spec, weights, layer, chunk, normed, row, work, pool);
      row += chunk.tokens();
      continue;
    }
    LayerCache& cache = chunk.cache->layer(layer);
    const CacheIndex cached = cache.length();
    cache.keys.append(work.keys.data() + row * key_width, chunk.tokens(), key_width);
    cache.values.append(work.values.data() + row * value_width, chunk.tokens(), value_width);
    attend(spec, chunk, cache, cached, row, work, pool);
    row += chunk.tokens();
  }
  weights.output.apply(work.attended.data(), rows, output.data(), pool);
}

}  // namespace azimuth::decoder
