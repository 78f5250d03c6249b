#include "vision/tower_layer.h"

#include <algorithm>
#include <cmath>

#include "kernels/kv_blocks.h"
#include "vision/normalise.h"

namespace azimuth::vision {
namespace {

// Turns the patches' part of each of `heads` heads of queries or keys, which start at `x` and lie `stride` apart.
void rotate_patches(const VisionSpec& spec, const positions::TowerRotation& rotations, int64_t patches, int heads,
                    int64_t stride, float* x, ThreadPool& pool) {
  for (const positions::HeadRotation& rotation : rotations) {
    const positions::RotaryTable& table = rotation.table;
    kernels::rotate(x + rotation.first_channel, patches, heads, spec.head_dim, stride, table.cosines.data(),
                    table.sines.data(), table.pairs, table.groups, rotation.pairing == Pairing::halves, pool);
  }
}

// Norms of rows' parts of `width` channels, `unit` channels at a time; weight [unit] or nullptr.
void norm_part(const VisionSpec& spec, const float* weight, int64_t rows, int64_t width, int64_t unit, float* x,
               ThreadPool& pool) {
  const int64_t stride = spec.qkv_width();
  const float eps = spec.qk_norm_eps > 0.0f ? spec.qk_norm_eps : spec.norm_eps;
  for (int64_t first = 0; first < width; first += unit) {
    kernels::rms_norm(x + first, rows, unit, stride, weight, eps, x + first, stride, pool);
  }
}

// Norms of queries, keys and values [rows, qkv_width], in place.
void norm_qkv(const VisionSpec& spec, const TowerLayerWeights& layer, Tensor& qkv, ThreadPool& pool) {
  const int64_t rows = qkv.shape()[0];
  const int64_t query_width = int64_t{spec.heads} * spec.head_dim;
  const int64_t key_width = int64_t{spec.key_value_heads()} * spec.head_dim;
  float* const keys = qkv.data() + query_width;
  if (spec.qk_norm != TowerQkNorm::none) {
    const bool per_head = spec.qk_norm == TowerQkNorm::per_head;
    norm_part(spec, layer.query_norm.weight.data(), rows, query_width, per_head ? spec.head_dim : query_width,
              qkv.data(), pool);
    norm_part(spec, layer.key_norm.weight.data(), rows, key_width, per_head ? spec.head_dim : key_width, keys, pool);
  }
  if (spec.value_norm) norm_part(spec, nullptr, rows, key_width, spec.head_dim, keys + key_width, pool);
}

// normed [rows, hidden] -> qkv [rows, qkv_width]
void project_qkv(const VisionSpec& spec, const TowerLayerWeights& layer, const Tensor& normed, Tensor& qkv,
                 ThreadPool& pool) {
  const int64_t rows = normed.shape()[0];
  if (!spec.clipped) {
    layer.qkv.apply(normed.data(), rows, qkv.data(), pool);
    return;
  }
  float* out = qkv.data();
  for (const ClippedLinear* part : {&layer.query, &layer.key, &layer.value}) {
    part->apply_strided(normed.data(), rows, out, spec.qkv_width(), pool);
    out += part->outputs();
  }
}

// Every row sees the filled rows of its frame, and those see the empty ones as well.
std::vector<kernels::KeyRange> whole_frame(FrameRows rows) {
  std::vector<kernels::KeyRange> ranges(static_cast<size_t>(rows.all()), {0, rows.all()});
  std::fill(ranges.begin() + rows.filled(), ranges.end(), kernels::KeyRange{0, rows.filled()});
  return ranges;
}

// Rotates queries and keys of one frame and attends within it. `first` is the frame's first row.
void attend_frame(const VisionSpec& spec, const positions::TowerRotation& rotations, kernels::CacheType type,
                  int64_t first, FrameRows rows, TowerWorkspace& work, ThreadPool& pool) {
  const int64_t width = int64_t{spec.heads} * spec.head_dim;
  const int kv_heads = spec.key_value_heads();
  const int64_t stride = spec.qkv_width();
  float* queries = work.qkv.data() + first * stride;
  float* keys = queries + width;
  const float* values = keys + int64_t{kv_heads} * spec.head_dim;
  rotate_patches(spec, rotations, rows.patches, spec.heads, stride, queries + rows.classes * stride, pool);
  rotate_patches(spec, rotations, rows.patches, kv_heads, stride, keys + rows.classes * stride, pool);
  kernels::KvBlocks key_blocks(kernels::KvRole::keys, type, kv_heads, spec.head_dim);
  kernels::KvBlocks value_blocks(kernels::KvRole::values, type, kv_heads, spec.head_dim);
  key_blocks.append(keys, rows.all(), stride, &pool);
  value_blocks.append(values, rows.all(), stride, &pool);
  const std::vector<kernels::KeyRange> ranges = rows.windows == nullptr ? whole_frame(rows) : *rows.windows;
  kernels::AttentionArgs args;
  args.queries = queries;
  args.query_count = rows.all();
  args.query_stride = stride;
  args.query_heads = spec.heads;
  args.kv_heads = kv_heads;
  args.head_dim = args.value_dim = spec.head_dim;
  args.cache = type;
  args.key_blocks = key_blocks.blocks();
  args.value_blocks = value_blocks.blocks();
  args.ranges = ranges.data();
  const float root = std::sqrt(static_cast<float>(spec.head_dim));
  args.scale = spec.attention_scale > 0.0f ? spec.attention_scale : 1.0f / root;
  args.output = work.attended.data() + first * width;
  args.output_stride = width;
  kernels::attention(args, pool);
}

// hidden += scale * post_norm(update), both where the layer has them.
void add_update(const VisionSpec& spec, const NormWeights& post_norm, const Tensor& scale, Tensor& update,
                Tensor& hidden, ThreadPool& pool) {
  if (spec.post_norms) normalise(post_norm, spec.norm_eps, update, update, pool);
  if (!scale.empty()) {
    for (int64_t row = 0; row < update.shape()[0]; ++row) {
      float* x = update.row(row);
      for (int64_t channel = 0; channel < update.row_elements(); ++channel) x[channel] *= scale.data()[channel];
    }
  }
  kernels::add(hidden.data(), update.data(), hidden.elements(), pool);
}

// work.normed -> work.inner, without bounds on inputs and outputs.
void run_plain_inner(const VisionSpec& spec, const TowerLayerWeights& layer, TowerWorkspace& work, ThreadPool& pool) {
  const Tensor& normed = work.normed;
  if (spec.gated_mlp) {
    kernels::matmul_gated(layer.gate.product(work.inner.data()), layer.up.product(nullptr), spec.activation,
                          normed.data(), normed.shape()[0], normed.row_elements(), pool);
  } else {
    kernels::matmul_activate(layer.up.product(work.inner.data()), spec.activation, normed.data(), normed.shape()[0],
                             normed.row_elements(), pool);
  }
}

void run_clipped_inner(const VisionSpec& spec, const TowerLayerWeights& layer, TowerWorkspace& work, ThreadPool& pool) {
  const int64_t rows = work.normed.shape()[0];
  if (!spec.gated_mlp) {
    layer.up.apply(work.normed.data(), rows, work.inner.data(), pool);
    return kernels::activate(spec.activation, work.inner.data(), work.inner.elements(), pool);
  }
  layer.gate.apply(work.normed.data(), rows, work.inner.data(), pool);
  layer.up.apply(work.normed.data(), rows, work.up.data(), pool);
  kernels::activate_gated(spec.activation, work.inner.data(), work.up.data(), work.inner.elements(), pool);
}

void run_mlp(const VisionSpec& spec, const TowerLayerWeights& layer, TowerWorkspace& work, ThreadPool& pool) {
  if (spec.clipped) {
    run_clipped_inner(spec, layer, work, pool);
  } else {
    run_plain_inner(spec, layer, work, pool);
  }
  layer.down.apply(work.inner.data(), work.normed.shape()[0], work.projected.data(), pool);
}

}  // namespace

TowerWorkspace::TowerWorkspace(const VisionSpec& spec, int64_t rows)
    : normed({rows, spec.hidden}),
      qkv({rows, spec.qkv_width()}),
      attended({rows, spec.heads, spec.head_dim}),
      projected({rows, spec.hidden}),
      inner({rows, spec.intermediate}) {
  if (spec.clipped && spec.gated_mlp) up = Tensor({rows, spec.intermediate});
}

void run_tower_layer(const VisionSpec& spec, const TowerLayerWeights& layer, FrameRows frame,
                     const positions::TowerRotation& rotations, Tensor& hidden, TowerWorkspace& work,
                     ThreadPool& pool) {
  const int64_t rows = hidden.shape()[0];
  normalise(layer.attention_norm, spec.norm_eps, hidden, work.normed, pool);
  project_qkv(spec, layer, work.normed, work.qkv, pool);
  norm_qkv(spec, layer, work.qkv, pool);
  const kernels::CacheType type = kernels::cache_type_of(layer.output.weight.type());
  for (int64_t first = 0; first < rows; first += frame.all())
    attend_frame(spec, rotations, type, first, frame, work, pool);
  layer.output.apply(work.attended.data(), rows, work.projected.data(), pool);
  add_update(spec, layer.attention_post_norm, layer.attention_scale, work.projected, hidden, pool);

  normalise(layer.mlp_norm, spec.norm_eps, hidden, work.normed, pool);
  run_mlp(spec, layer, work, pool);
  add_update(spec, layer.mlp_post_norm, layer.mlp_scale, work.projected, hidden, pool);
}

}  // namespace azimuth::vision
