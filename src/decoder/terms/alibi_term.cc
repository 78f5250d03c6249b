#include "decoder/terms/alibi_term.h"

#include "positions/score/alibi_slopes.h"

namespace azimuth::decoder {

AlibiTerm::AlibiTerm(const TextSpec& spec) {
  for (const LayerSpec& layer : spec.layers) slopes_.push_back(positions::alibi_slopes(layer.heads));
}

void AlibiTerm::add_bias(const ScoreRow& row) const {
  const float slope = slopes_[static_cast<size_t>(row.layer)][static_cast<size_t>(row.head)];
  const float query_id = id(row, row.query);
  for (CacheIndex key = row.keys.begin; key < row.keys.end; ++key) {
    row.scores[key - row.keys.begin] += slope * (id(row, key) - query_id);
  }
}

}  // namespace azimuth::decoder
