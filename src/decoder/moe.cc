#include "decoder/moe.h"

#include <algorithm>
#include <cmath>
#include <span>

namespace azimuth::decoder {
namespace {

int64_t most_experts(const TextSpec& spec) {
  int64_t most = 0;
  for (const LayerSpec& layer : spec.layers) {
    if (layer.experts) most = std::max<int64_t>(most, layer.experts->experts);
  }
  return most;
}

int64_t widest_expert(const TextSpec& spec) {
  int64_t most = 0;
  for (const LayerSpec& layer : spec.layers) {
    if (!layer.experts) continue;
    most = std::max<int64_t>({most, layer.experts->intermediate, layer.experts->shared_intermediate});
  }
  return most;
}

// In place: scores -> probabilities.
void softmax(std::span<float> scores) {
  const float top = *std::ranges::max_element(scores);
  float sum = 0.0f;
  for (float& score : scores) sum += score = std::exp(score - top);
  for (float& score : scores) score /= sum;
}

// The `chosen` largest of `probabilities`, descending; of equals the earlier.
void choose(std::span<const float> probabilities, std::span<int32_t> experts, std::span<float> weights) {
  for (size_t rank = 0; rank < experts.size(); ++rank) {
    int32_t best = -1;
    for (int32_t expert = 0; expert < static_cast<int32_t>(probabilities.size()); ++expert) {
      const bool taken = std::ranges::find(experts.first(rank), expert) != experts.begin() + static_cast<int64_t>(rank);
      if (taken) continue;
      if (best < 0 || probabilities[static_cast<size_t>(expert)] > probabilities[static_cast<size_t>(best)]) {
        best = expert;
      }
    }
    experts[rank] = best;
    weights[rank] = probabilities[static_cast<size_t>(best)];
  }
}

// result [count, hidden] = down(act(gate(x)) * up(x)) of `count` rows x.
void gated_mlp(Activation activation, const ExpertWeights& expert, const float* x, int64_t count, MoeWorkspace& work,
               ThreadPool& pool) {
  kernels::matmul_gated(expert.gate.product(work.inner.data()), expert.up.product(nullptr), activation, x, count,
                        expert.gate.weight.inputs(), pool);
  expert.down.apply(work.inner.data(), count, work.result.data(), pool);
}

void add_scaled(const float* x, float scale, int64_t width, float* out) {
  for (int64_t i = 0; i < width; ++i) out[i] += x[i] * scale;
}

// output += sigmoid(gate(x)) * expert(x), of every row.
void add_shared_expert(const LayerSpec& spec, const MoeWeights& weights, const Tensor& normed, MoeWorkspace& work,
                       Tensor& output, ThreadPool& pool) {
  const int64_t rows = normed.shape()[0];
  gated_mlp(spec.activation, weights.shared, normed.data(), rows, work, pool);
  work.gates.resize({rows, 1});
  const float* const gates = work.gates.data();
  weights.shared_gate.apply(normed.data(), rows, work.gates.data(), pool);
  for (int64_t row = 0; row < rows; ++row) {
    const float share = 1.0f / (1.0f + std::exp(-gates[row]));
    add_scaled(work.result.row(row), share, output.row_elements(), output.row(row));
  }
}

}  // namespace

void MoeWorkspace::resize(const TextSpec& spec, int64_t rows) {
  const int64_t experts = most_experts(spec);
  if (experts == 0) return;
  scores.resize({rows, experts});
  gathered.resize({rows, spec.hidden});
  inner.resize({rows, widest_expert(spec)});
  result.resize({rows, spec.hidden});
}

void route(const MoeSpec& spec, const MoeWeights& weights, const Tensor& rows, MoeWorkspace& work, ThreadPool& pool) {
  const int64_t count = rows.shape()[0];
  const auto experts = static_cast<size_t>(spec.experts);
  const auto chosen = static_cast<size_t>(spec.chosen);
  weights.router.apply(rows.data(), count, work.scores.data(), pool);  // [rows, experts]
  Routing& routing = work.routing;
  routing.chosen = spec.chosen;
  routing.experts.resize(static_cast<size_t>(count) * chosen);
  routing.weights.resize(static_cast<size_t>(count) * chosen);
  for (size_t row = 0; row < static_cast<size_t>(count); ++row) {
    const std::span<float> scores(work.scores.data() + row * experts, experts);
    const std::span<int32_t> best(routing.experts.data() + row * chosen, chosen);
    const std::span<float> shares(routing.weights.data() + row * chosen, chosen);
    softmax(scores);
    choose(scores, best, shares);
    if (spec.normalise_chosen) {
      float sum = 0.0f;
      for (const float share : shares) sum += share;
      for (float& share : shares) share /= sum;
    }
    if (weights.expert_scale.empty()) continue;
    for (size_t rank = 0; rank < chosen; ++rank) shares[rank] *= weights.expert_scale.data()[best[rank]];
  }
}

void run_experts(const LayerSpec& spec, const MoeWeights& weights, const Tensor& rows, MoeWorkspace& work,
                 Tensor& output, ThreadPool& pool) {
  const int64_t width = rows.row_elements();
  const Routing& routing = work.routing;
  std::fill_n(output.data(), output.elements(), 0.0f);
  std::vector<size_t>& places = work.places;
  for (int32_t expert = 0; expert < spec.experts->experts; ++expert) {
    places.clear();
    for (size_t place = 0; place < routing.experts.size(); ++place) {
      if (routing.experts[place] == expert) places.push_back(place);
    }
    if (places.empty()) continue;
    const auto row_of = [&](size_t i) { return static_cast<int64_t>(places[i]) / routing.chosen; };
    for (size_t i = 0; i < places.size(); ++i) {
      std::copy_n(rows.row(row_of(i)), width, work.gathered.row(static_cast<int64_t>(i)));
    }
    gated_mlp(spec.activation, weights.experts[static_cast<size_t>(expert)], work.gathered.data(),
              static_cast<int64_t>(places.size()), work, pool);
    for (size_t i = 0; i < places.size(); ++i) {
      add_scaled(work.result.row(static_cast<int64_t>(i)), routing.weights[places[i]], width, output.row(row_of(i)));
    }
  }
}

void moe_layer(const LayerSpec& spec, const MoeWeights& weights, const Tensor& normed, MoeWorkspace& work,
               Tensor& output, ThreadPool& pool) {
  route(*spec.experts, weights, normed, work, pool);
  run_experts(spec, weights, normed, work, output, pool);
  if (spec.experts->shared_intermediate > 0) add_shared_expert(spec, weights, normed, work, output, pool);
}

}  // namespace azimuth::decoder
