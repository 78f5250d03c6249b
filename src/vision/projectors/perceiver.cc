// A perceiver resampler (Idefics2): latents attend to the patches and to themselves. Source: transformers,
// Idefics2Connector. Every tile goes through on its own, in the kernels' order of sums, so that what stands beside it
// changes no bit.
#include <algorithm>
#include <cmath>

#include "kernels/kv_blocks.h"
#include "vision/projectors/projector.h"

namespace azimuth::vision {
namespace {

// down(act(gate(x)) * up(x)); x [rows, inputs] -> [rows, outputs]
Tensor gated_mlp(const kernels::Linear& gate, const kernels::Linear& up, const kernels::Linear& down,
                 Activation activation, const Tensor& x, ThreadPool& pool) {
  const int64_t rows = x.shape()[0];
  Tensor gated({rows, gate.outputs()});
  Tensor inner({rows, up.outputs()});
  gate.apply(x.data(), rows, gated.data(), pool);
  up.apply(x.data(), rows, inner.data(), pool);
  kernels::activate_gated(activation, gated.data(), inner.data(), inner.elements(), pool);
  Tensor out({rows, down.outputs()});
  down.apply(gated.data(), rows, out.data(), pool);
  return out;
}

Tensor normed(const Tensor& weight, float eps, const Tensor& x, ThreadPool& pool) {
  const int64_t width = x.row_elements();
  Tensor out({x.shape()[0], width});
  kernels::rms_norm(x.data(), x.shape()[0], width, width, weight.data(), eps, out.data(), width, pool);
  return out;
}

// queries of `latents` [queries, width] over keys of `context` [patches, width], then of the latents themselves
Tensor attend(const PerceiverSpec& spec, const PerceiverLayerWeights& weights, const Tensor& latents,
              const Tensor& context, ThreadPool& pool) {
  const int64_t count = latents.shape()[0];
  const int64_t query_width = int64_t{spec.heads} * spec.head_dim;
  const int64_t key_width = int64_t{spec.kv_heads} * spec.head_dim;
  Tensor queries({count, query_width});
  weights.query.apply(latents.data(), count, queries.data(), pool);
  const kernels::CacheType type = kernels::cache_type_of(weights.query.weight.type());
  kernels::KvBlocks keys(kernels::KvRole::keys, type, spec.kv_heads, spec.head_dim);
  kernels::KvBlocks values(kernels::KvRole::values, type, spec.kv_heads, spec.head_dim);
  for (const Tensor* source : {&context, &latents}) {
    const int64_t rows = source->shape()[0];
    Tensor both({rows, 2 * key_width});
    weights.key_value.apply(source->data(), rows, both.data(), pool);
    keys.append(both.data(), rows, 2 * key_width, &pool);
    values.append(both.data() + key_width, rows, 2 * key_width, &pool);
  }
  const int64_t all = context.shape()[0] + count;
  const std::vector<kernels::KeyRange> ranges(static_cast<size_t>(count), {0, all});
  Tensor attended({count, query_width});
  kernels::AttentionArgs args;
  args.queries = queries.data();
  args.query_count = count;
  args.query_stride = args.output_stride = query_width;
  args.query_heads = spec.heads;
  args.kv_heads = spec.kv_heads;
  args.head_dim = args.value_dim = spec.head_dim;
  args.cache = type;
  args.key_blocks = keys.blocks();
  args.value_blocks = values.blocks();
  args.ranges = ranges.data();
  args.scale = 1.0f / std::sqrt(static_cast<float>(spec.head_dim));
  args.output = attended.data();
  kernels::attention(args, pool);
  Tensor out({count, weights.output.outputs()});
  weights.output.apply(attended.data(), count, out.data(), pool);
  return out;
}

// One frame's patches [patches, tower width] -> [queries, width]
Tensor resample(const ProjectorSpec& spec, const PerceiverWeights& weights, const Tensor& patches, ThreadPool& pool) {
  const PerceiverSpec& perceiver = *spec.perceiver;
  const Tensor context = gated_mlp(weights.gate, weights.up, weights.down, spec.activation, patches, pool);
  Tensor latents({weights.latents.shape()[0], weights.latents.row_elements()});
  std::copy_n(weights.latents.data(), latents.elements(), latents.data());
  for (const PerceiverLayerWeights& layer : weights.layers) {
    const Tensor attended = attend(perceiver, layer, normed(layer.latents_norm, spec.norm_eps, latents, pool),
                                   normed(layer.context_norm, spec.norm_eps, context, pool), pool);
    kernels::add(latents.data(), attended.data(), latents.elements(), pool);
    const Tensor moved = gated_mlp(layer.gate, layer.up, layer.down, perceiver.activation,
                                   normed(layer.mlp_norm, spec.norm_eps, latents, pool), pool);
    kernels::add(latents.data(), moved.data(), latents.elements(), pool);
  }
  return normed(weights.final_norm, spec.norm_eps, latents, pool);
}

}  // namespace

Tensor perceiver(const ProjectorSpec& spec, const ProjectorWeights& weights, const Tensor& hidden, const Grid& grid,
                 ThreadPool& pool) {
  const int64_t patches = grid.h * grid.w;
  Tensor out({grid.t * spec.queries, int64_t{spec.output}});
  for (int64_t frame = 0; frame < grid.t; ++frame) {
    Tensor rows({patches, hidden.row_elements()});
    std::copy_n(hidden.row(frame * patches), rows.elements(), rows.data());
    const Tensor latents = resample(spec, weights.perceiver, rows, pool);
    std::copy_n(latents.data(), latents.elements(), out.row(frame * spec.queries));
  }
  return out;
}

}  // namespace azimuth::vision
