#include "decoder/weight_rows.h"

#include <algorithm>
#include <cmath>

namespace azimuth::decoder {

WeightRows::WeightRows(const RunContext& context, const TapPoint& at, int64_t queries, int heads, CacheIndex keys)
    : context_(context), at_(at), heads_(heads), keys_(keys) {
  if (context.tap == nullptr || context.hooks == nullptr || !context.hooks->wants_attention) return;
  TapPoint point = at;
  for (int64_t query = 0; query < queries; ++query) {
    point.first_token = at.first_token + query;
    if (context.hooks->wants_attention(point)) rows_.push_back({query, {}});
  }
  for (Row& row : rows_) row.weights.assign(static_cast<size_t>(heads * keys), 0.0f);
}

float* WeightRows::row(int64_t query) {
  const auto found = std::lower_bound(rows_.begin(), rows_.end(), query,
                                      [](const Row& row, int64_t wanted) { return row.query < wanted; });
  return found == rows_.end() || found->query != query ? nullptr : found->weights.data();
}

void WeightRows::recompute(const kernels::AttentionArgs& args) {
  context_.pool.for_each(static_cast<int64_t>(rows_.size()) * heads_, 1, [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      Row& row = rows_[static_cast<size_t>(item / heads_)];
      const int64_t head = item % heads_;
      const float log_sum_exp = args.log_sum_exp[row.query * args.query_heads + head];
      float* weights = row.weights.data() + head * keys_ + args.ranges[row.query].begin;
      const kernels::KeyRange& range = args.ranges[row.query];
      kernels::attention_scores(args, row.query, static_cast<int>(head), weights);
      for (int64_t key = 0; key < range.end - range.begin; ++key) weights[key] = std::exp(weights[key] - log_sum_exp);
    }
  });
}

void WeightRows::show() const {
  TapPoint point = at_;
  for (const Row& row : rows_) {
    point.first_token = at_.first_token + row.query;
    (*context_.tap)(point, TensorView::contiguous(row.weights.data(), DType::f32, Shape({heads_, 1, keys_})));
  }
}

}  // namespace azimuth::decoder
