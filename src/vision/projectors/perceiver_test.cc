// What stands beside a frame, and the number of threads, change no bit of what the perceiver makes of it.
#include <gtest/gtest.h>

#include <cmath>

#include "base/thread_pool.h"
#include "vision/projectors/projector.h"

namespace azimuth::vision {
namespace {

constexpr int64_t kTower = 6;
constexpr int64_t kWidth = 8;
constexpr int64_t kPatches = 70;  // more than one block of keys

Tensor numbers(const Shape& shape, float seed) {
  Tensor tensor(shape);
  for (int64_t i = 0; i < tensor.elements(); ++i) tensor.data()[i] = std::sin(seed + 0.7f * static_cast<float>(i));
  return tensor;
}

kernels::Linear linear(int64_t outputs, int64_t inputs, float seed, ThreadPool& pool) {
  const Tensor weight = numbers({outputs, inputs}, seed);
  return {std::move(kernels::PackedMatrix::pack(weight.view(), kernels::WeightType::f32, pool)).value(), Tensor()};
}

ProjectorSpec small_spec() {
  ProjectorSpec spec{.kind = ProjectorKind::perceiver, .merge = 1, .output = kWidth, .queries = 3};
  spec.activation = Activation::silu;
  spec.perceiver = {.layers = 1, .heads = 4, .kv_heads = 2, .head_dim = 5};
  return spec;
}

ProjectorWeights small_weights(ThreadPool& pool) {
  ProjectorWeights out;
  PerceiverWeights& weights = out.perceiver;
  weights.gate = linear(10, kTower, 0.1f, pool);
  weights.up = linear(10, kTower, 0.2f, pool);
  weights.down = linear(kWidth, 10, 0.3f, pool);
  weights.latents = numbers({3, kWidth}, 0.4f);
  weights.final_norm = numbers({kWidth}, 0.5f);
  PerceiverLayerWeights& layer = weights.layers.emplace_back();
  layer.latents_norm = numbers({kWidth}, 0.6f);
  layer.context_norm = numbers({kWidth}, 0.7f);
  layer.query = linear(20, kWidth, 0.8f, pool);
  layer.key_value = linear(20, kWidth, 0.9f, pool);
  layer.output = linear(kWidth, 20, 1.0f, pool);
  layer.mlp_norm = numbers({kWidth}, 1.1f);
  layer.gate = linear(32, kWidth, 1.2f, pool);
  layer.up = linear(32, kWidth, 1.3f, pool);
  layer.down = linear(kWidth, 32, 1.4f, pool);
  return out;
}

void expect_same_bits(const float* a, const float* b, int64_t count) {
  for (int64_t i = 0; i < count; ++i) ASSERT_EQ(a[i], b[i]) << i;
}

TEST(Perceiver, FramesAndThreadsChangeNoBit) {
  ThreadPool one(1);
  ThreadPool three(3);
  const ProjectorWeights weights = small_weights(one);
  const Tensor both = numbers({2 * kPatches, kTower}, 2.0f);
  Tensor second({kPatches, kTower});
  std::copy_n(both.row(kPatches), second.elements(), second.data());
  const Tensor together = perceiver(small_spec(), weights, both, {2, 7, 10}, one);
  const Tensor alone = perceiver(small_spec(), weights, second, {1, 7, 10}, three);
  ASSERT_EQ(together.shape(), Shape({6, kWidth}));
  expect_same_bits(together.row(3), alone.data(), alone.elements());
  EXPECT_NE(together.data()[0], together.row(3)[0]);
}

}  // namespace
}  // namespace azimuth::vision
