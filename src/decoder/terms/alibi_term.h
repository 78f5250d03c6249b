// ALiBi (arXiv 2108.12409; positions.md 1.6): scores fall with the distance, each query head with its own slope.
#pragma once

#include "decoder/score_term.h"
#include "spec/text_spec.h"

namespace azimuth::decoder {

class AlibiTerm : public IdTerm {
 public:
  explicit AlibiTerm(const TextSpec& spec);
  void add_bias(const ScoreRow& row) const override;

 private:
  std::vector<std::vector<float>> slopes_;  // [layers][heads]
};

}  // namespace azimuth::decoder
