// The MLP half of a decoder layer.
#pragma once

#include "decoder/decoder.h"

namespace azimuth::decoder {

struct MlpWorkspace {
  Tensor gate;  // [rows, intermediate]
  Tensor up;    // [rows, intermediate]

  MlpWorkspace(const TextSpec& spec, int64_t rows);
};

// normed [rows, hidden] -> output [rows, hidden]
void mlp_layer(const LayerSpec& spec, const LayerWeights& weights, const Tensor& normed, MlpWorkspace& work,
               Tensor& output, ThreadPool& pool);

}  // namespace azimuth::decoder
