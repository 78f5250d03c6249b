// The MLP half of a decoder layer.
#pragma once

#include "decoder/moe.h"

namespace azimuth::decoder {

struct MlpWorkspace {
  Tensor inner;  // [rows, intermediate]
  MoeWorkspace moe;

  void resize(const TextSpec& spec, int64_t rows);
};

// The layer's MLP, or its experts where they take its place. normed [rows, hidden] -> output [rows, hidden]
void mlp_layer(const LayerSpec& spec, const LayerWeights& weights, const Tensor& normed, MlpWorkspace& work,
               Tensor& output, ThreadPool& pool);

}  // namespace azimuth::decoder
