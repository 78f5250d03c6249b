// Attention weights for a tap. They are no by-product of attention, so only the rows that a tap asks for are computed,
// from what attention left: turned queries, cached keys and the log-sum-exp of each row.
#pragma once

#include <vector>

#include "decoder/cache.h"
#include "kernels/kernels.h"
#include "spec/run_context.h"

namespace azimuth::decoder {

// The rows that are wanted among consecutive queries of one sequence in one layer; each is [heads, keys], zero where
// the query sees nothing.
class WeightRows {
 public:
  // `at.first_token` is the cache index of the first query, `keys` the length of the cache behind the last.
  WeightRows(const RunContext& context, const TapPoint& at, int64_t queries, int heads, CacheIndex keys);

  bool empty() const { return rows_.empty(); }
  // Row of query `query` (0: the first), or nullptr where it is not wanted.
  float* row(int64_t query);
  // Fills the wanted rows after the kernel: exp(score - log-sum-exp). `args` are the kernel's, with log_sum_exp; key
  // block b begins at cache index b * kAttentionBlock.
  void recompute(const kernels::AttentionArgs& args);
  // Hands the rows to the tap, one query after the other, as [heads, 1, keys].
  void show() const;

 private:
  struct Row {
    int64_t query;
    std::vector<float> weights;  // [heads, keys]
  };

  const RunContext& context_;
  TapPoint at_;
  int heads_;
  CacheIndex keys_;
  std::vector<Row> rows_;  // by query
};

}  // namespace azimuth::decoder
