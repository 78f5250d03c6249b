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
void project(const LinearAttentionWeights& weights, const Tensor& normed, LinearWorkspace& work, ThreadPool& pool) {
  const kernels::Product wide[] = {weights.mixed.product(work.mixed.data()), weights.gate.product(work.gate.data())};
  const kernels::Product narrow[] = {weights.write.product(work.write.data()),
                                     weights.decay.product(work.decay.data())};
  for (const auto& products : {wide, narrow})
    kernels::matmul_all({products, 2}, normed.data(), normed.shape()[0], normed.row_elements(), pool);
}

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

// One head over `count` tokens of a chunk, from rows of the convolution on to those of work.attended.
class HeadScan {
 public:
  HeadScan(const LayerSpec& layer, const LinearAttentionWeights& weights, LinearWorkspace& work, int64_t first_row,
           int64_t count)
      : layer_(layer), spec_(*layer.linear), weights_(weights), work_(work), first_row_(first_row), count_(count) {}

  void run(int head, float* memory) const {
    float* const query = work_.heads.row(head);
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
      const float* mixed = work_.convolved.row(token);
      unit(mixed + key_head * spec_.key_dim, spec_.key_dim, scale, query);
      unit(mixed + keys + key_head * spec_.key_dim, spec_.key_dim, 1.0f, key);
      const float* value = mixed + 2 * keys + int64_t{head} * spec_.value_dim;
      const float fade = std::exp(-rate * softplus(work_.decay.row(row)[head] + bias));
      const float write = sigmoid(work_.write.row(row)[head]);
      float* out = work_.attended.row(row) + int64_t{head} * spec_.value_dim;
      kernels::delta_step({spec_.key_dim, spec_.value_dim, query, key, value, fade, write, memory, scratch_row, out});
      const float* gate = work_.gate.row(row) + int64_t{head} * spec_.value_dim;
      norm_and_gate(spec_, weights_.norm, layer_.norm_eps, gate, out);
    }
  }

 private:
  const LayerSpec& layer_;
  const LinearAttentionSpec& spec_;
  const LinearAttentionWeights& weights_;
  LinearWorkspace& work_;
  int64_t first_row_;
  int64_t count_;
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

void LinearWorkspace::resize(const LinearAttentionSpec& spec, int64_t rows) {
  mixed.resize({rows, convolved_channels(spec)});
  gate.resize({rows, int64_t{spec.value_heads} * spec.value_dim});
  write.resize({rows, spec.value_heads});
  decay.resize({rows, spec.value_heads});
  convolved.resize({rows, convolved_channels(spec)});
  heads.resize({spec.value_heads, 2 * int64_t{spec.key_dim} + spec.value_dim});
  attended.resize({rows, int64_t{spec.value_heads} * spec.value_dim});
}

void linear_attention(const LayerSpec& spec, const LinearAttentionWeights& weights, int layer,
                      std::span<const SequenceChunk> chunks, const Tensor& normed, CacheMarks& marks,
                      LinearWorkspace& work, Tensor& output, ThreadPool& pool) {
  const LinearAttentionSpec& linear = *spec.linear;
  const int64_t rows = normed.shape()[0];
  const int64_t head_elements = int64_t{linear.key_dim} * linear.value_dim;
  work.resize(linear, rows);
  project(weights, normed, work, pool);
  int64_t row = 0;
  for (size_t i = 0; i < chunks.size(); ++i) {
    const int64_t count = chunks[i].tokens();
    LayerCache& cache = chunks[i].cache->layer(layer);
    // A new state beside the old one, which snapshots of the cache may hold.
    std::shared_ptr<RecurrentState> state = marks.copy_state(i, layer, *cache.recurrent);
    convolve(spec, weights, state->inputs, work.mixed.row(row), count, work.convolved.data(), pool);
    const HeadScan scan(spec, weights, work, row, count);
    pool.for_each(linear.value_heads, 1, [&](int64_t begin, int64_t end) {
      for (int64_t head = begin; head < end; ++head) {
        scan.run(static_cast<int>(head), state->memory.data() + head * head_elements);
      }
    });
    keep_inputs(linear, work.mixed.row(row), count, state->inputs);
    state->length += count;
    cache.recurrent = std::move(state);
    row += count;
  }
  weights.output.apply(work.attended.data(), rows, output.data(), pool);
}

}  // namespace azimuth::decoder
