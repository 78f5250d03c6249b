#include "decoder/terms/transformer_xl_term.h"

#include <algorithm>
#include <string>

#include "decoder/dot.h"
#include "kernels/workspace.h"

namespace azimuth::decoder {

Status TransformerXlTerm::check_ids(const NewTokens& tokens) const {
  for (int64_t token = 0; token < tokens.count; ++token) {
    const float id = tokens.ids[token * tokens.id_stride];
    if (id == static_cast<float>(tokens.first + token)) continue;
    return invalid_argument("transformer_xl counts tokens and expected id " + std::to_string(tokens.first + token) +
                            ", found " + std::to_string(id) + "; leave its ids as they are");
  }
  return ok_status();
}

void TransformerXlTerm::write_state(const NewTokens& tokens, const float*, float* out) const {
  std::copy_n(tokens.inputs, tokens.count * hidden_, out);
}

void TransformerXlTerm::add_products(const ScoreRow& row) const {
  const LayerWeights& weights = layers_[static_cast<size_t>(row.layer)];
  const int64_t head_dim = weights.content_bias->row_elements();
  const float* content_bias = weights.content_bias->row(row.head);
  const float* position_bias = weights.position_bias->row(row.head);
  static thread_local kernels::Workspace workspace;
  float* const query = workspace.ensure<float>(static_cast<size_t>(head_dim));
  for (int64_t channel = 0; channel < head_dim; ++channel)
    query[channel] = row.vector[channel] + position_bias[channel];
  const int64_t furthest = weights.relative.shape()[0] - 1;
  for (CacheIndex key = row.keys.begin; key < row.keys.end; ++key) {
    const int64_t distance = std::clamp<int64_t>(row.query - key, 0, furthest);
    const float* relative = weights.relative.row(distance) + row.head * head_dim;
    row.scores[key - row.keys.begin] += dot(content_bias, row.key(key), head_dim) + dot(query, relative, head_dim);
  }
}

}  // namespace azimuth::decoder
