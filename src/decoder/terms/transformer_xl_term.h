// Transformer-XL (arXiv 1901.02860; positions.md 1.4): sinusoids of the distance, projected per layer; two learned
// biases of the query; segments that see a memory of earlier ones.
#pragma once

#include <memory>
#include <vector>

#include "decoder/score_term.h"
#include "tensor/tensor.h"

namespace azimuth::decoder {

// State rows are layer inputs: the memory that the reference calls mems, from which keys and values are computed when a
// segment begins. Distances count tokens of the cache.
class TransformerXlTerm : public ScoreTerm {
 public:
  struct LayerWeights {
    Tensor relative;                              // [distances, heads * head_dim]: W_r s(D), D = 0, 1, ...
    std::shared_ptr<const Tensor> content_bias;   // u [heads, head_dim]
    std::shared_ptr<const Tensor> position_bias;  // v [heads, head_dim]
  };

  // One entry per layer. Distances beyond the last row of `relative` use it (clamp).
  TransformerXlTerm(positions::SegmentMemory segments, int64_t hidden, std::vector<LayerWeights> layers)
      : segments_(segments), hidden_(hidden), layers_(std::move(layers)) {}
  int state_width() const override { return static_cast<int>(hidden_); }
  // Ids have to be 0, 1, 2, ...: no other distances are counted.
  Status check_ids(const NewTokens& tokens) const override;
  void write_state(const NewTokens& tokens, const float* previous, float* out) const override;
  const positions::SegmentMemory* segments() const override { return &segments_; }
  void add_products(const ScoreRow& row) const override;

 private:
  positions::SegmentMemory segments_;
  int64_t hidden_;
  std::vector<LayerWeights> layers_;
};

}  // namespace azimuth::decoder
