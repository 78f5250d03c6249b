#include "decoder/terms/cable_term.h"

#include "decoder/dot.h"
#include "positions/score/running_slope.h"

namespace azimuth::decoder {
namespace {

positions::RunningSum sum_of(const float* state, int head) {
  return state == nullptr ? positions::RunningSum{} : positions::RunningSum{state[2 * head], state[2 * head + 1]};
}

}  // namespace

void CableTerm::write_state(const NewTokens& tokens, const float* previous, float* out) const {
  const LayerWeights& weights = layers_[static_cast<size_t>(tokens.layer)];
  const int64_t hidden = weights.weight->row_elements();
  for (int64_t token = 0; token < tokens.count; ++token, previous = out, out += state_width()) {
    const float* input = tokens.inputs + token * hidden;
    for (int head = 0; head < heads_; ++head) {
      const float x = dot(weights.weight->row(head), input, hidden) + weights.bias->data()[head];
      const positions::RunningSum sum =
          positions::advance(sum_of(previous, head), positions::softplus(static_cast<double>(x)));
      out[2 * head] = sum.high;
      out[2 * head + 1] = sum.low;
    }
  }
}

void CableTerm::add_bias(const ScoreRow& row) const {
  const positions::RunningSum query = sum_of(row.state(row.query), row.head);
  for (CacheIndex key = row.keys.begin; key < row.keys.end; ++key) {
    row.scores[key - row.keys.begin] += positions::bias_between(query, sum_of(row.state(key), row.head));
  }
}

}  // namespace azimuth::decoder
