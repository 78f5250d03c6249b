#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "kernels/attention_fetch.h"
#include "kernels/generic/generic.h"

namespace azimuth::kernels {
namespace {

constexpr int kTileRows = 4;
constexpr int kPanelWidth = 16;
constexpr int kRowKeys = 64;

float bf16_value(uint16_t bits) {
  const uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float value;
  std::memcpy(&value, &wide, sizeof value);
  return value;
}

float to_bf16(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  if (x != x) return x;
  bits = (bits + 0x7fffu + (bits >> 16 & 1u)) & 0xffff0000u;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

// [head_dim][rows]
template <bool kRounded>
void pack_tile(const float* rows, int head_dim, int count, float* out) {
  for (int d = 0; d < head_dim; ++d)
    for (int r = 0; r < count; ++r) *out++ = kRounded ? to_bf16(rows[r * head_dim + d]) : rows[r * head_dim + d];
}

template <int64_t kKeyStride>
void score_tile(const float* rows, const float* keys, int head_dim, int count, float* scores) {
  for (int r = 0; r < count; ++r)
    for (int k = 0; k < kPanelWidth; ++k) {
      float sum = 0.0f;
      for (int d = 0; d < head_dim; ++d) sum += rows[d * count + r] * keys[d * kKeyStride + k];
      scores[r * kRowKeys + k] = sum;
    }
}

float scaled_score(float score, float scale, float soft_cap) {
  score *= scale;
  return soft_cap > 0.0f ? soft_cap * std::tanh(score / soft_cap) : score;
}

float highest_score(float* scores, int begin, int end, float scale, float soft_cap, float highest) {
  for (int j = begin; j < end; ++j) {
    scores[j] = scaled_score(scores[j], scale, soft_cap);
    highest = std::max(highest, scores[j]);
  }
  return highest;
}

void corrections(const float* before, const float* now, float* factors) {
  for (int r = 0; r < kMostTileRows; ++r) factors[r] = before[r] == now[r] ? 1.0f : std::exp(before[r] - now[r]);
}

template <Stored>
float weigh_scores(float* scores, int begin, int end, float, float, float highest) {
  std::fill(scores, scores + begin, 0.0f);
  std::fill(scores + end, scores + kRowKeys, 0.0f);
  float sum = 0.0f;
  for (int j = begin; j < end; ++j) {
    scores[j] = std::exp(scores[j] - highest);
    sum += scores[j];
  }
  return sum;
}

void clear_weights(float* scores) {
  std::fill_n(scores, kRowKeys, 0.0f);
}

void scale_row(float* x, int64_t count, float factor) {
  for (int64_t i = 0; i < count; ++i) x[i] *= factor;
}

template <int64_t>
void weigh_panel(const float* weights, const float* values, int64_t value_stride, int64_t count, int rows, int columns,
                 float* c, int64_t ldc) {
  for (int r = 0; r < rows; ++r)
    for (int64_t k = 0; k < count; ++k)
      for (int j = 0; j < columns; ++j) c[r * ldc + j] += weights[r * kRowKeys + k] * values[k * value_stride + j];
}

template <Stored kStored>
float element(const void* pairs, int64_t index) {
  if constexpr (kStored == Stored::bf16) return bf16_value(static_cast<const uint16_t*>(pairs)[index]);
  return static_cast<float>(static_cast<const int8_t*>(pairs)[index]);
}

template <Stored kStored>
void unpack_keys(const void* stored, int channels, const float* scales, float* out, Fetch&) {
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t k = 0; k < kRowKeys; ++k)
      out[(k / kPanelWidth * channels + c) * kPanelWidth + k % kPanelWidth] =
          element<kStored>(stored, (c / 2 * kRowKeys + k) * 2 + c % 2) * (kStored == Stored::q8 ? scales[k] : 1.0f);
}

template <Stored kStored>
void unpack_values(const void* stored, int channels, const float* scales, float* out, Fetch&) {
  for (int64_t k = 0; k < kRowKeys; ++k)
    for (int64_t c = 0; c < channels; ++c)
      out[(c / kPanelWidth * kRowKeys + k) * kPanelWidth + c % kPanelWidth] =
          element<kStored>(stored, (k / 2 * channels + c) * 2 + k % 2) * (kStored == Stored::q8 ? scales[k] : 1.0f);
}

}  // namespace
}  // namespace azimuth::kernels

// Written in terms of the above.
#include "kernels/attention_rows.h"

namespace azimuth::kernels::generic {

const AttentionKernels kAttentionF32 = {"generic", false, pack_queries_f32<false>, add_block_in_f32<Stored::f32>,
                                        nullptr};
const AttentionKernels kAttentionBf16 = {"generic", false, pack_queries_f32<true>, add_block_in_f32<Stored::bf16>,
                                         nullptr};
const AttentionKernels kAttentionQ8 = {"generic", false, pack_queries_f32<true>, add_block_in_f32<Stored::q8>, nullptr};

}  // namespace azimuth::kernels::generic
