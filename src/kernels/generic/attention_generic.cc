#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/generic/generic.h"

namespace azimuth::kernels::generic {
namespace {

constexpr int kBlock = 64;

float scaled_score(float score, float scale, float soft_cap) {
  score *= scale;
  return soft_cap > 0.0f ? soft_cap * std::tanh(score / soft_cap) : score;
}

}  // namespace

void transpose_keys(const float* keys, int64_t head_dim, float* out) {
  for (int panel = 0; panel < kBlock / kPanelWidth; ++panel)
    for (int64_t d = 0; d < head_dim; ++d)
      for (int j = 0; j < kPanelWidth; ++j) *out++ = keys[(panel * kPanelWidth + j) * head_dim + d];
}

float softmax_block(float* scores, int begin, int end, float scale, float soft_cap, float* maximum, float* sum) {
  const float before = *maximum;
  float highest = before;
  for (int j = begin; j < end; ++j) {
    scores[j] = scaled_score(scores[j], scale, soft_cap);
    highest = std::max(highest, scores[j]);
  }
  float block_sum = 0.0f;
  for (int j = begin; j < end; ++j) {
    scores[j] = std::exp(scores[j] - highest);
    block_sum += scores[j];
  }
  std::fill(scores, scores + begin, 0.0f);
  std::fill(scores + end, scores + kBlock, 0.0f);
  const float correction = before == highest ? 1.0f : std::exp(before - highest);
  *maximum = highest;
  *sum = *sum * correction + block_sum;
  return correction;
}

void weigh_values(const float* weights, const float* values, int64_t value_stride, int64_t count, int rows, int columns,
                  float* c, int64_t ldc) {
  for (int r = 0; r < rows; ++r)
    for (int64_t k = 0; k < count; ++k)
      for (int j = 0; j < columns; ++j) c[r * ldc + j] += weights[r * kBlock + k] * values[k * value_stride + j];
}

}  // namespace azimuth::kernels::generic
