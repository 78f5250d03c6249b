// Relative vectors of Shaw et al. (arXiv 1803.02155; positions.md 1.3): a learned vector for each clipped distance,
// which the query is multiplied with and, in the full form, the weights also sum. All heads share them.
#pragma once

#include <memory>
#include <vector>

#include "decoder/score_term.h"
#include "positions/score/relative_index.h"
#include "tensor/tensor.h"

namespace azimuth::decoder {

class ShawTerm : public DistanceTerm {
 public:
  using Tables = std::vector<std::shared_ptr<const Tensor>>;  // one per layer

  // keys: [clip.rows(), head_dim] per layer; values: [clip.rows(), value_dim] per layer, or none.
  ShawTerm(positions::RelativeClip clip, Tables keys, Tables values)
      : clip_(clip), keys_(std::move(keys)), values_(std::move(values)) {}
  void add_products(const ScoreRow& row) const override;
  void add_values(const ScoreRow& row, float* output) const override;

 private:
  int64_t table_row(const ScoreRow& row, CacheIndex key) const;

  positions::RelativeClip clip_;
  Tables keys_;
  Tables values_;
};

}  // namespace azimuth::decoder
