// Attention that materialises the scores of a query row, for encodings that change them.
#pragma once

#include "decoder/score_term.h"
#include "decoder/weight_rows.h"
#include "spec/layer_spec.h"

namespace azimuth::decoder {

struct ScoreAttention {
  const LayerSpec& spec;
  const ScoreTerm& term;
  int layer = 0;
  const LayerCache& cache;     // holds the queries' own keys, values and state rows already
  CacheIndex first_query = 0;  // its index in the cache
  int64_t query_count = 0;
  const float* queries = nullptr;  // [query_count, heads, head_dim]
  float* output = nullptr;         // [query_count, heads, value_dim]
  WeightRows* shown = nullptr;     // weights that a tap wants, or nullptr
};

// softmax(cap(scale (q.k + products)) + bias) V + what the term adds to the values. Of the keys that `ranges` gives
// each query it sees those that the term's segments leave. Memory: one row of scores per thread. The result of a query
// depends on its own row and the cache alone, bit for bit.
void score_attention(const ScoreAttention& args, const kernels::KeyRange* ranges, ThreadPool& pool);

}  // namespace azimuth::decoder
