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

MlpWorkspace::MlpWorkspace(const TextSpec& spec, int64_t rows)
    : gate({rows, widest(spec)}), up({rows, widest(spec)}), moe(spec, rows) {}

void mlp_layer(const LayerSpec& spec, const LayerWeights& weights, const Tensor& normed, MlpWorkspace& work,
               Tensor& output, ThreadPool& pool) {
  if (spec.experts && !spec.experts->beside_mlp) {
    return moe_layer(spec, weights.experts, normed, work.moe, output, pool);
  }
  const int64_t rows = normed.shape()[0];
  const int64_t elements = rows * spec.intermediate;
  weights.up.apply(normed.data(), rows, work.up.data(), pool);
  switch (spec.mlp) {
    case MlpKind::gated:
      weights.gate.apply(normed.data(), rows, work.gate.data(), pool);
      kernels::activate_gated(spec.activation, work.gate.data(), work.up.data(), elements, pool);
      weights.down.apply(work.gate.data(), rows, output.data(), pool);
      break;
    case MlpKind::plain:
      kernels::activate(spec.activation, work.up.data(), elements, pool);
      weights.down.apply(work.up.data(), rows, output.data(), pool);
      break;
  }
}

}  // namespace azimuth::decoder
