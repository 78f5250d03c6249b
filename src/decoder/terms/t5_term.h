// T5's relative bias (arXiv 1910.10683; positions.md 1.5): a learned scalar for each bucket of distances and query
// head, shared by all layers.
#pragma once

#include <memory>

#include "decoder/score_term.h"
#include "positions/score/t5_buckets.h"
#include "tensor/tensor.h"

namespace azimuth::decoder {

class T5Term : public DistanceTerm {
 public:
  // bias [buckets, heads]. T5 itself does not scale its products: score_scale 1.
  T5Term(positions::T5Buckets buckets, std::shared_ptr<const Tensor> bias, std::optional<float> score_scale)
      : buckets_(std::move(buckets)), bias_(std::move(bias)), scale_(score_scale) {}
  std::optional<float> scale() const override { return scale_; }
  void add_bias(const ScoreRow& row) const override;

 private:
  positions::T5Buckets buckets_;
  std::shared_ptr<const Tensor> bias_;
  std::optional<float> scale_;
};

}  // namespace azimuth::decoder
