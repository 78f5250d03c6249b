// CABLE (arXiv 2503.08067; positions.md 1.7): each token chooses, for each query head, by how much scores fall across
// it.
#pragma once

#include <memory>
#include <vector>

#include "decoder/score_term.h"
#include "tensor/tensor.h"

namespace azimuth::decoder {

// State rows are the running sums of the heads, each as two f32: [heads, 2].
class CableTerm : public ScoreTerm {
 public:
  struct LayerWeights {
    std::shared_ptr<const Tensor> weight;  // [heads, hidden]
    std::shared_ptr<const Tensor> bias;    // [heads]
  };

  // One entry per layer; all layers have `heads` query heads. The published code does not scale its products:
  // score_scale 1.
  CableTerm(int heads, std::vector<LayerWeights> layers, std::optional<float> score_scale)
      : heads_(heads), layers_(std::move(layers)), scale_(score_scale) {}
  int state_width() const override { return 2 * heads_; }
  Status check_ids(const NewTokens&) const override { return ok_status(); }
  void write_state(const NewTokens& tokens, const float* previous, float* out) const override;
  std::optional<float> scale() const override { return scale_; }
  void add_bias(const ScoreRow& row) const override;

 private:
  int heads_;
  std::vector<LayerWeights> layers_;
  std::optional<float> scale_;
};

}  // namespace azimuth::decoder
