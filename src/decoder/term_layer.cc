#include "decoder/term_layer.h"

#include <algorithm>

#include "decoder/score_attention.h"
#include "decoder/weight_rows.h"

namespace azimuth::decoder {
namespace {

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
  project_keys(spec, weights, inputs, keys, values, pool);
  cache.keys.truncate(0);
  cache.values.truncate(0);
  cache.first = begin;
  cache.keys.append(keys.data(), rows, key_width);
  cache.values.append(values.data(), rows, value_width);
}

// Appends the term's state rows of new tokens.
void append_state(const ScoreTerm& term, const NewTokens& tokens, LayerCache& cache, Tensor& rows) {
  if (tokens.first == 0) cache.state = kernels::KvBlocks(1, term.state_width());
  const float* previous = tokens.first == 0 ? nullptr : cache.state.row(0, tokens.first - 1);
  rows.resize({tokens.count, term.state_width()});
  term.write_state(tokens, previous, rows.data());
  cache.state.append(rows.data(), tokens.count, term.state_width());
}

}  // namespace

void attend_with_term(const LayerSpec& spec, const LayerWeights& weights, int layer, const SequenceChunk& chunk,
                      const Tensor& normed, int64_t row, AttentionWorkspace& work, const RunContext& context) {
  ThreadPool& pool = context.pool;
  const ScoreTerm& term = *chunk.encoding->score_term;
  const positions::SegmentMemory* segments = term.segments();
  const PositionSet& set = chunk.positions->set_for_layer(layer);
  const int64_t key_width = int64_t{spec.kv_heads} * spec.head_dim;
  const int64_t value_width = int64_t{spec.kv_heads} * spec.value_dim;
  LayerCache& cache = chunk.cache->layer(layer);
  const CacheIndex cached = cache.length();
  key_ranges(spec, cached, chunk, work.ranges);
  if (cached == 0) {  // terms read single rows, which other layouts do not have
    cache.keys = kernels::KvBlocks(spec.kv_heads, spec.head_dim);
    cache.values = kernels::KvBlocks(spec.kv_heads, spec.value_dim);
  }
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
    append_state(term, {layer, first, count, set.token(chunk.begin + done), set.axes, normed.row(from)}, cache,
                 work.states);
    const float* queries = work.queries.data() + from * spec.heads * spec.head_dim;
    float* output = work.attended.data() + from * spec.heads * spec.value_dim;
    WeightRows shown(context, {Stage::attention, layer, chunk.sequence, first}, count, spec.heads, cache.length());
    score_attention({spec, term, layer, cache, first, count, queries, output, &shown}, work.ranges.data() + done, pool);
    shown.show();
    done += count;
  }
}

}  // namespace azimuth::decoder
