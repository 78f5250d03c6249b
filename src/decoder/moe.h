// Sparse MLPs: a router chooses a few of many gated MLPs for each token.
#pragma once

#include <cstdint>
#include <vector>

#include "decoder/decoder.h"

namespace azimuth::decoder {

// The experts of each row, best first, and how much their outputs count.
struct Routing {
  int chosen = 0;
  std::vector<int32_t> experts;  // [rows, chosen]
  std::vector<float> weights;    // [rows, chosen]
};

// Scratch of passes, shared by all layers.
struct MoeWorkspace {
  Routing routing;
  std::vector<size_t> places;  // in `routing`, of the rows of one expert
  Tensor scores;               // [rows, experts]
  Tensor gathered;             // [rows of one expert, hidden]
  Tensor inner;                // [rows, intermediate]
  Tensor result;               // [rows, hidden]
  Tensor gates;                // [rows, 1], of the shared expert
  Tensor sum;                  // [rows, hidden], of experts beside an MLP

  void resize(const TextSpec& spec, int64_t rows);
};

// Softmax over all experts, the `chosen` best of them (the earlier one of equals), and their weights: divided by their
// sum where the spec says so, then multiplied by each expert's saved scale where there is one. rows [rows, hidden].
void route(const MoeSpec& spec, const MoeWeights& weights, const Tensor& rows, MoeWorkspace& work, ThreadPool& pool);

// output = sum of the outputs of the experts in work.routing. rows, output [rows, hidden]. A token's sum goes over its
// experts in ascending order, and so depends on that token alone.
void run_experts(const LayerSpec& spec, const MoeWeights& weights, const Tensor& rows, MoeWorkspace& work,
                 Tensor& output, ThreadPool& pool);

// Router and experts on the same rows, and the shared expert where the spec has one.
void moe_layer(const LayerSpec& spec, const MoeWeights& weights, const Tensor& normed, MoeWorkspace& work,
               Tensor& output, ThreadPool& pool);

}  // namespace azimuth::decoder
