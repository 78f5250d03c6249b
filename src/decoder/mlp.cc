#include "decoder/mlp.h"

#include <algorithm>

namespace azimuth::decoder {
namespace {

int64_t widest(const TextSpec& spec) {
  int64_t most = 0;
  for (const LayerSpec& layer : spec.layers) most = std::max<int64_t>(most, layer.intermediate);
  return most;
}

}  // namespace

void MlpWorkspace::resize(const TextSpec& spec, int64_t rows) {
  inner.resize({rows, widest(spec)});
  moe.resize(spec, rows);
}

void mlp_layer(const LayerSpec& spec, const LayerWeights& weights, const Tensor& normed, MlpWorkspace& work,
               Tensor& output, ThreadPool& pool) {
  if (spec.experts && !spec.experts->beside_mlp) {
    return moe_layer(spec, weights.experts, normed, work.moe, output, pool);
  }
  const int64_t rows = normed.shape()[0];
  float* const inner = work.inner.data();
  switch (spec.mlp) {
    case MlpKind::gated:
      kernels::matmul_gated(weights.gate.product(inner), weights.up.product(nullptr), spec.activation, normed.data(),
                            rows, normed.row_elements(), pool);
      break;
    case MlpKind::plain:
      kernels::matmul_activate(weights.up.product(inner), spec.activation, normed.data(), rows, normed.row_elements(),
                               pool);
      break;
  }
  weights.down.apply(inner, rows, output.data(), pool);
}

}  // namespace azimuth::decoder
