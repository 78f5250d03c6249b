// Experts against a plain computation in f64, and the independence of a token from its batch.
#include "decoder/moe.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "base/rng.h"

namespace azimuth::decoder {
namespace {

constexpr int kHidden = 24;
constexpr int kInner = 10;
constexpr int kExperts = 7;

Tensor random(const Shape& shape, uint64_t seed) {
  Tensor tensor(shape);
  for (int64_t i = 0; i < tensor.elements(); ++i) {
    tensor.data()[i] = static_cast<float>(2.0 * uniform(seed, 0, static_cast<uint64_t>(i)) - 1.0);
  }
  return tensor;
}

struct Matrix {
  Tensor values;  // [outputs, inputs]
  kernels::Linear linear;
};

Matrix matrix(int64_t outputs, int64_t inputs, uint64_t seed, ThreadPool& pool) {
  Matrix made{random({outputs, inputs}, seed), {}};
  made.linear.weight = *kernels::PackedMatrix::pack(made.values.view(), kernels::WeightType::f32, pool);
  return made;
}

std::vector<double> product(const Tensor& matrix, const std::vector<double>& x) {
  std::vector<double> y(static_cast<size_t>(matrix.shape()[0]), 0.0);
  for (size_t i = 0; i < y.size(); ++i) {
    for (size_t j = 0; j < x.size(); ++j) y[i] += static_cast<double>(matrix.row(static_cast<int64_t>(i))[j]) * x[j];
  }
  return y;
}

// A layer with experts, and the matrices it was made of.
struct Layer {
  ThreadPool pool{2};
  TextSpec text;
  MoeWeights weights;
  Tensor router;
  std::vector<Tensor> gates, ups, downs;  // of each expert, the shared one last
  Tensor shared_gate;

  Layer(int chosen, bool normalise, bool shared) {
    LayerSpec layer;
    layer.experts = MoeSpec{.experts = kExperts,
                            .chosen = chosen,
                            .intermediate = kInner,
                            .normalise_chosen = normalise,
                            .shared_intermediate = shared ? kInner + 3 : 0};
    layer.activation = Activation::silu;
    text.hidden = kHidden;
    text.layers = {layer};
    Matrix made = matrix(kExperts, kHidden, 1, pool);
    router = std::move(made.values);
    weights.router = std::move(made.linear);
    for (int expert = 0; expert <= kExperts; ++expert) {
      const int inner = expert < kExperts ? kInner : kInner + 3;
      const auto seed = static_cast<uint64_t>(10 * (expert + 1));
      Matrix gate = matrix(inner, kHidden, seed, pool);
      Matrix up = matrix(inner, kHidden, seed + 1, pool);
      Matrix down = matrix(kHidden, inner, seed + 2, pool);
      gates.push_back(std::move(gate.values));
      ups.push_back(std::move(up.values));
      downs.push_back(std::move(down.values));
      ExpertWeights packed{std::move(gate.linear), std::move(up.linear), std::move(down.linear)};
      if (expert < kExperts) {
        weights.experts.push_back(std::move(packed));
      } else {
        weights.shared = std::move(packed);
      }
    }
    Matrix made_gate = matrix(1, kHidden, 5, pool);
    shared_gate = std::move(made_gate.values);
    weights.shared_gate = std::move(made_gate.linear);
  }

  const LayerSpec& spec() const { return text.layers[0]; }

  Tensor run(const Tensor& rows) {
    MoeWorkspace work;
    work.resize(text, rows.shape()[0]);
    Tensor output(rows.shape());
    moe_layer(spec(), weights, rows, work, output, pool);
    return output;
  }

  void add_expert(size_t expert, double weight, const std::vector<double>& x, std::vector<double>& out) const {
    std::vector<double> inner = product(gates[expert], x);
    const std::vector<double> up = product(ups[expert], x);
    for (size_t i = 0; i < inner.size(); ++i) inner[i] = inner[i] / (1.0 + std::exp(-inner[i])) * up[i];
    const std::vector<double> y = product(downs[expert], inner);
    for (size_t i = 0; i < out.size(); ++i) out[i] += weight * y[i];
  }

  std::vector<double> expected(const float* row) const {
    const std::vector<double> x(row, row + kHidden);
    std::vector<double> shares = product(router, x);
    double sum = 0.0;
    for (double& share : shares) sum += share = std::exp(share);
    for (double& share : shares) share /= sum;
    std::vector<size_t> order(kExperts);
    std::iota(order.begin(), order.end(), 0);
    std::ranges::sort(order, [&](size_t a, size_t b) { return shares[a] > shares[b]; });
    order.resize(static_cast<size_t>(spec().experts->chosen));
    double kept = 0.0;
    for (const size_t expert : order) kept += shares[expert];
    std::vector<double> out(kHidden, 0.0);
    for (const size_t expert : order) {
      double share = shares[expert] / (spec().experts->normalise_chosen ? kept : 1.0);
      if (!weights.expert_scale.empty()) share *= static_cast<double>(weights.expert_scale.data()[expert]);
      add_expert(expert, share, x, out);
    }
    if (spec().experts->shared_intermediate > 0) {
      add_expert(kExperts, 1.0 / (1.0 + std::exp(-product(shared_gate, x)[0])), x, out);
    }
    return out;
  }

  void check(const Tensor& rows) {
    const Tensor output = run(rows);
    for (int64_t row = 0; row < rows.shape()[0]; ++row) {
      const std::vector<double> wanted = expected(rows.row(row));
      for (size_t i = 0; i < wanted.size(); ++i) {
        EXPECT_NEAR(output.row(row)[i], wanted[i], 1e-4) << "row " << row << ", channel " << i;
      }
    }
  }
};

TEST(Moe, ChosenExpertsAreWeighted) {
  for (const int chosen : {1, 3, kExperts}) {
    for (const bool normalise : {true, false}) Layer(chosen, normalise, false).check(random({9, kHidden}, 77));
  }
}

TEST(Moe, SavedScalesMultiplyTheWeights) {
  Layer layer(2, true, false);
  layer.weights.expert_scale = random({kExperts}, 3);
  layer.check(random({5, kHidden}, 78));
}

TEST(Moe, EveryTokenTakesTheSharedExpert) {
  Layer(2, true, true).check(random({5, kHidden}, 79));
}

TEST(Moe, EqualScoresChooseTheEarlierExpert) {
  Layer layer(2, true, false);
  MoeWorkspace work;
  work.resize(layer.text, 1);
  const Tensor zeros = Tensor::zeros({1, kHidden});
  route(*layer.spec().experts, layer.weights, zeros, work, layer.pool);
  EXPECT_EQ(work.routing.experts, (std::vector<int32_t>{0, 1}));
  EXPECT_EQ(work.routing.weights, (std::vector<float>{0.5f, 0.5f}));
}

TEST(Moe, ATokenDoesNotDependOnItsBatch) {
  Layer layer(3, true, true);
  const Tensor rows = random({40, kHidden}, 80);
  const Tensor together = layer.run(rows);
  for (int64_t row = 0; row < rows.shape()[0]; ++row) {
    Tensor alone({1, kHidden});
    std::copy_n(rows.row(row), kHidden, alone.row(0));
    EXPECT_EQ(std::memcmp(layer.run(alone).data(), together.row(row), kHidden * sizeof(float)), 0) << row;
  }
}

}  // namespace
}  // namespace azimuth::decoder
