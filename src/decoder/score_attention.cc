#include "decoder/score_attention.h"

#include <algorithm>
#include <cmath>

#include "decoder/dot.h"
#include "kernels/workspace.h"

namespace azimuth::decoder {
namespace {

constexpr int64_t kRowsPerTask = 4;

kernels::KeyRange visible(const ScoreTerm& term, CacheIndex query, const kernels::KeyRange& range) {
  const positions::SegmentMemory* segments = term.segments();
  if (segments == nullptr) return range;
  return {std::max(range.begin, segments->memory_begin(query)), std::min(range.end, segments->segment_end(query))};
}

// Calls visit(key, count) for runs of visible keys whose rows lie one behind the other.
template <typename Visit>
void for_each_run(const ScoreRow& row, Visit visit) {
  for (CacheIndex key = row.keys.begin; key < row.keys.end;) {
    const int64_t slot = (key - row.cache->first) % kernels::kAttentionBlock;
    const int64_t count = std::min(row.keys.end - key, kernels::kAttentionBlock - slot);
    visit(key, count);
    key += count;
  }
}

void score(const ScoreAttention& args, const ScoreRow& row) {
  const int64_t keys = row.keys.end - row.keys.begin;
  for_each_run(row, [&](CacheIndex first, int64_t count) {
    const float* key = row.key(first);
    float* scores = row.scores + (first - row.keys.begin);
    for (int64_t i = 0; i < count; ++i, key += args.spec.head_dim) {
      scores[i] = dot(row.vector, key, args.spec.head_dim);
    }
  });
  args.term.add_products(row);
  const float scale = args.term.scale().value_or(args.spec.attention_scale);
  const float cap = args.spec.attention_soft_cap;
  for (int64_t j = 0; j < keys; ++j) {
    const float scaled = row.scores[j] * scale;
    row.scores[j] = cap > 0.0f ? cap * std::tanh(scaled / cap) : scaled;
  }
  args.term.add_bias(row);
}

// Turns scores into weights that add up to one.
void softmax(float* scores, int64_t count) {
  const float most = *std::max_element(scores, scores + count);
  double sum = 0.0;
  for (int64_t j = 0; j < count; ++j) {
    scores[j] = std::exp(scores[j] - most);
    sum += static_cast<double>(scores[j]);
  }
  const auto share = static_cast<float>(1.0 / sum);
  for (int64_t j = 0; j < count; ++j) scores[j] *= share;
}

// Keeps the weights of a row that a tap wants.
void show(const ScoreAttention& args, const ScoreRow& row) {
  float* shown = args.shown == nullptr ? nullptr : args.shown->row(row.query - args.first_query);
  if (shown == nullptr) return;
  std::copy_n(row.scores, row.keys.end - row.keys.begin, shown + row.head * args.cache.length() + row.keys.begin);
}

// output: [value_dim]
void attend(const ScoreAttention& args, const ScoreRow& row, float* output) {
  const int64_t keys = row.keys.end - row.keys.begin;
  std::fill_n(output, args.spec.value_dim, 0.0f);
  if (keys <= 0) return;
  score(args, row);
  softmax(row.scores, keys);
  show(args, row);
  for_each_run(row, [&](CacheIndex first, int64_t count) {
    const float* value = args.cache.value(row.kv_head, first);
    const float* weights = row.scores + (first - row.keys.begin);
    for (int64_t i = 0; i < count; ++i, value += args.spec.value_dim) {
      for (int channel = 0; channel < args.spec.value_dim; ++channel) output[channel] += weights[i] * value[channel];
    }
  });
  args.term.add_values(row, output);
}

// Scores of the keys and of those that follow in the last one's block: memory grows with the cache, not with each
// token.
size_t room_for(const kernels::KeyRange& keys) {
  const int64_t blocks = std::max<int64_t>(keys.end - keys.begin, 0) / kernels::kAttentionBlock + 1;
  return static_cast<size_t>(blocks * kernels::kAttentionBlock);
}

}  // namespace

void score_attention(const ScoreAttention& args, const kernels::KeyRange* ranges, ThreadPool& pool) {
  const LayerSpec& spec = args.spec;
  pool.for_each(args.query_count * spec.heads, kRowsPerTask, [&](int64_t begin, int64_t end) {
    static thread_local kernels::Workspace workspace;
    for (int64_t item = begin; item < end; ++item) {
      const int64_t query = item % args.query_count;
      const int64_t head = item / args.query_count;
      ScoreRow row;
      row.layer = args.layer;
      row.head = static_cast<int>(head);
      row.kv_head = row.head / (spec.heads / spec.kv_heads);
      row.query = args.first_query + query;
      row.vector = args.queries + (query * spec.heads + head) * spec.head_dim;
      row.keys = visible(args.term, row.query, ranges[query]);
      row.cache = &args.cache;
      row.scores = workspace.ensure<float>(room_for(row.keys));
      attend(args, row, args.output + (query * spec.heads + head) * spec.value_dim);
    }
  });
}

}  // namespace azimuth::decoder
