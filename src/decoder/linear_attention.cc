#include "decoder/linear_attention.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "decoder/recurrent_state.h"

namespace azimuth::decoder {
namespace {

constexpr float kUnitEps = 1e-6f;  // of the L2 norm of queries and keys; fixed in the reference

float sigmoid(float x) {
  return 1.0f / (1.0f + std::exp(-x));
}

float softplus(float x) {
  return x > 20.0f ? x : std::log1p(std::exp(x));
}

// What the products of a layer make of the rows of a pass.
struct Projections {
  Tensor mixed;  // [rows, channels]: queries, keys, values before the convolution
  Tensor gate;   // [rows, value_heads * value_dim]
  Tensor write;  // [rows, value_heads]: how much of a value is written, before the sigmoid
  Tensor decay;  // [rows, value_heads]: how fast the memory fades, before the softplus

  Projections(const LinearAttentionSpec& spec, const LinearAttentionWeights& weights, const Tensor& normed,
              ThreadPool& pool)
      : mixed({normed.shape()[0], convolved_channels(spec)}),
        gate({normed.shape()[0], int64_t{spec.value_heads} * spec.value_dim}),
        write({normed.shape()[0], spec.value_heads}),
        decay({normed.shape()[0], spec.value_heads}) {
    const kernels::Product wide[] = {weights.mixed.product(mixed.data()), weights.gate.product(gate.data())};
    const kernels::Product narrow[] = {weights.write.product(write.data()), weights.decay.product(decay.data())};
    for (const auto& products : {wide, narrow})
      kernels::matmul_all({products, 2}, normed.data(), normed.shape()[0], normed.row_elements(), pool);
  }
};

// The causal convolution over `count` rows behind the inputs of the state, each channel for itself, and its activation.
// mixed, out [count, channels]
void convolve(const LayerSpec& layer, const LinearAttentionWeights& weights, const std::vector<float>& inputs,
              const float* mixed, int64_t count, float* out, ThreadPool& pool) {
  const LinearAttentionSpec& spec = *layer.linear;
  const int64_t channels = convolved_channels(spec);
  const int64_t before = spec.kernel - 1;
  const auto input_row = [&](int64_t token) {
    return token < 0 ? inputs.data() + (before + token) * channels : mixed + token * channels;
  };
  constexpr int64_t kTokensPerTask = 8;
  pool.for_each(count, kTokensPerTask, [&](int64_t begin, int64_t end) {
    for (int64_t token = begin; token < end; ++token) {
      float* to = out + token * channels;
      std::fill_n(to, channels, 0.0f);
      for (int tap = 0; tap < spec.kernel; ++tap) {
        kernels::add_products(input_row(token - before + tap), weights.convolution.row(tap), channels, to);
      }
    }
  });
  kernels::activate(layer.activation, out, count * channels, pool);
}

// out = scale * x / |x|
void unit(const float* x, int width, float scale, float* out) {
  float squares = 0.0f;
  for (int i = 0; i < width; ++i) squares += x[i] * x[i];
  const float factor = scale / std::sqrt(squares + kUnitEps);
  for (int i = 0; i < width; ++i) out[i] = x[i] * factor;
}

// RMS norm over the head, weight, times silu of the gate. x, gate [value_dim]
void norm_and_gate(const LinearAttentionSpec& spec, const Tensor& weight, float eps, const float* gate, float* x) {
  float squares = 0.0f;
  for (int v = 0; v < spec.value_dim; ++v) squares += x[v] * x[v];
  const float factor = 1.0f / std::sqrt(squares / static_cast<float>(spec.value_dim) + eps);
  for (int v = 0; v < spec.value_dim; ++v) x[v] = weight.data()[v] * (x[v] * factor) * (gate[v] * sigmoid(gate[v]));
}

// One head over `count` tokens, from rows of the convolution on. out [count, value_heads, value_dim]
class HeadScan {
 public:
  HeadScan(const LayerSpec& layer, const LinearAttentionWeights& weights, const Projections& projections,
           int64_t first_row, const float* convolved, int64_t count, float* out)
      : layer_(layer),
        spec_(*layer.linear),
        weights_(weights),
        projections_(projections),
        first_row_(first_row),
        convolved_(convolved),
        count_(count),
        out_(out) {}

  void run(int head, float* memory) const {
    std::vector<float> scratch(static_cast<size_t>(2 * spec_.key_dim + spec_.value_dim));
    float* const query = scratch.data();
    float* const key = query + spec_.key_dim;
    float* const scratch_row = key + spec_.key_dim;
    // Neighbouring value heads share a key head.
    const int64_t key_head = head / (spec_.value_heads / spec_.key_heads);
    const int64_t keys = int64_t{spec_.key_heads} * spec_.key_dim;
    const float rate = std::exp(weights_.decay_rate.data()[head]);
    const float bias = weights_.decay_bias.data()[head];
    const float scale = 1.0f / std::sqrt(static_cast<float>(spec_.key_dim));
    for (int64_t token = 0; token < count_; ++token) {
      const int64_t row = first_row_ + token;
      const float* mixed = convolved_ + token * convolved_channels(spec_);
      unit(mixed + key_head * spec_.key_dim, spec_.key_dim, scale, query);
      unit(mixed + keys + key_head * spec_.key_dim, spec_.key_dim, 1.0f, key);
      const float* value = mixed + 2 * keys + int64_t{head} * spec_.value_dim;
      const float fade = std::exp(-rate * softplus(projections_.decay.row(row)[head] + bias));
      const float write = sigmoid(projections_.write.row(row)[head]);
      float* out = out_ + (token * spec_.value_heads + head) * spec_.value_dim;
      kernels::delta_step({spec_.key_dim, spec_.value_dim, query, key, value, fade, write, memory, scratch_row, out});
      const float* gate = projections_.gate.row(row) + int64_t{head} * spec_.value_dim;
      norm_and_gate(spec_, weights_.norm, layer_.norm_eps, gate, out);
    }
  }

 private:
  const LayerSpec& layer_;
  const LinearAttentionSpec& spec_;
  const LinearAttentionWeights& weights_;
  const Projections& projections_;
  int64_t first_row_;
  const float* convolved_;
  int64_t count_;
  float* out_;
};

// The last kernel - 1 inputs behind `count` rows of `mixed` [count, channels].
void keep_inputs(const LinearAttentionSpec& spec, const float* mixed, int64_t count, std::vector<float>& inputs) {
  const int64_t channels = convolved_channels(spec);
  const int64_t before = spec.kernel - 1;
  const int64_t old = std::max<int64_t>(0, before - count);
  std::copy_n(inputs.end() - static_cast<std::ptrdiff_t>(old * channels), old * channels, inputs.begin());
  const int64_t fresh = before - old;
  std::copy_n(mixed + (count - fresh) * channels, fresh * channels, inputs.begin() + old * channels);
}

}  // namespace

void linear_attention(const LayerSpec& spec, const LinearAttentionWeights& weights, int layer,
                      std::span<const SequenceChunk> chunks, const Tensor& normed, Tensor& output, ThreadPool& pool) {
  const LinearAttentionSpec& linear = *spec.linear;
  const int64_t rows = normed.shape()[0];
  const int64_t channels = convolved_channels(linear);
  const int64_t head_elements = int64_t{linear.key_dim} * linear.value_dim;
  const Projections projections(linear, weights, normed, pool);
  Tensor attended({rows, int64_t{linear.value_heads} * linear.value_dim});
  int64_t row = 0;
  for (const SequenceChunk& chunk : chunks) {
    const int64_t count = chunk.tokens();
    LayerCache& cache = chunk.cache->layer(layer);
    // A new state beside the old one, which snapshots of the cache may hold.
    auto state = std::make_shared<RecurrentState>(*cache.recurrent);
    Tensor convolved({count, channels});
    convolve(spec, weights, state->inputs, projections.mixed.row(row), count, convolved.data(), pool);
    const HeadScan scan(spec, weights, projections, row, convolved.data(), count, attended.row(row));
    pool.for_each(linear.value_heads, 1, [&](int64_t begin, int64_t end) {
      for (int64_t head = begin; head < end; ++head) {
        scan.run(static_cast<int>(head), state->memory.data() + head * head_elements);
      }
    });
    keep_inputs(linear, projections.mixed.row(row), count, state->inputs);
    state->length += count;
    cache.recurrent = std::move(state);
    row += count;
  }
  weights.output.apply(attended.data(), rows, output.data(), pool);
}

}  // namespace azimuth::decoder
