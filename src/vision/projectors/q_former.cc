// Learned queries that attend to each other and, in some layers, to the tower's tokens (BLIP-2, arXiv 2301.12597).
// Norms stand behind the residuals, as in BERT. Source: transformers, Blip2QFormerModel.
#include <cmath>

#include "kernels/kv_blocks.h"
#include "vision/normalise.h"
#include "vision/projectors/projector.h"

namespace azimuth::vision {
namespace {

// softmax(scale Q K^T) V of all queries over all keys: [queries, heads * head_dim]
Tensor attend(const QFormerSpec& spec, kernels::CacheType type, const Tensor& queries, const Tensor& keys,
              const Tensor& values, ThreadPool& pool) {
  const int head_dim = spec.hidden / spec.heads;
  kernels::KvBlocks key_blocks(kernels::KvRole::keys, type, spec.heads, head_dim);
  kernels::KvBlocks value_blocks(kernels::KvRole::values, type, spec.heads, head_dim);
  key_blocks.append(keys.data(), keys.shape()[0], spec.hidden, &pool);
  value_blocks.append(values.data(), values.shape()[0], spec.hidden, &pool);
  const std::vector<kernels::KeyRange> ranges(static_cast<size_t>(queries.shape()[0]), {0, keys.shape()[0]});
  Tensor attended(queries.shape());
  kernels::AttentionArgs args;
  args.queries = queries.data();
  args.query_count = queries.shape()[0];
  args.query_stride = args.output_stride = spec.hidden;
  args.query_heads = args.kv_heads = spec.heads;
  args.head_dim = args.value_dim = head_dim;
  args.cache = type;
  args.key_blocks = key_blocks.blocks();
  args.value_blocks = value_blocks.blocks();
  args.ranges = ranges.data();
  args.scale = 1.0f / std::sqrt(static_cast<float>(head_dim));
  args.output = attended.data();
  kernels::attention(args, pool);
  return attended;
}

// x [rows, inputs] -> [rows, outputs]
Tensor apply(const kernels::Linear& linear, const Tensor& x, ThreadPool& pool) {
  Tensor out({x.shape()[0], linear.outputs()});
  linear.apply(x.data(), x.shape()[0], out.data(), pool);
  return out;
}

// hidden = norm(hidden + update)
void add_and_norm(const QFormerSpec& spec, const NormWeights& norm, const Tensor& update, Tensor& hidden,
                  ThreadPool& pool) {
  kernels::add(hidden.data(), update.data(), hidden.elements(), pool);
  normalise(norm, spec.norm_eps, hidden, hidden, pool);
}

// hidden [queries, hidden] attends to `source` [rows, width], which may be itself.
void run_attention(const QFormerSpec& spec, const QFormerAttention& weights, const Tensor& source, Tensor& hidden,
                   ThreadPool& pool) {
  const Tensor keys = apply(weights.key, source, pool);      // [rows, hidden]
  const Tensor values = apply(weights.value, source, pool);  // [rows, hidden]
  const Tensor attended = attend(spec, kernels::cache_type_of(weights.query.weight.type()),
                                 apply(weights.query, hidden, pool), keys, values, pool);
  add_and_norm(spec, weights.norm, apply(weights.output, attended, pool), hidden, pool);
}

}  // namespace

Tensor q_former(const ProjectorSpec& projector, const ProjectorWeights& weights, const Tensor& hidden,
                ThreadPool& pool) {
  const QFormerSpec& spec = *projector.q_former;
  Tensor queries({int64_t{projector.queries}, int64_t{spec.hidden}});
  normalise(weights.norm, spec.norm_eps, weights.queries, queries, pool);
  for (const QFormerLayer& layer : weights.q_former) {
    run_attention(spec, layer.self, queries, queries, pool);
    if (layer.cross) run_attention(spec, *layer.cross, hidden, queries, pool);
    Tensor inner = apply(layer.up, queries, pool);  // [queries, intermediate]
    kernels::activate(spec.activation, inner.data(), inner.elements(), pool);
    add_and_norm(spec, layer.mlp_norm, apply(layer.down, inner, pool), queries, pool);
  }
  return apply(weights.first, queries, pool);  // [queries, output]
}

}  // namespace azimuth::vision
