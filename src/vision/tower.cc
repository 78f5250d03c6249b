#include "vision/tower.h"

#include <cmath>

#include "kernels/kv_blocks.h"
#include "positions/tower/patch_positions.h"
#include "vision/projector.h"

namespace azimuth::vision {
namespace {

// Scratch of one pass, allocated once and reused by all layers. Rows are patches.
struct Workspace {
  Tensor normed;     // [patches, hidden]
  Tensor qkv;        // [patches, 3, heads, head_dim]
  Tensor attended;   // [patches, heads, head_dim]
  Tensor projected;  // [patches, hidden]
  Tensor inner;      // [patches, intermediate]

  Workspace(const VisionSpec& spec, int64_t patches)
      : normed({patches, spec.hidden}),
        qkv({patches, 3, spec.heads, spec.head_dim}),
        attended({patches, spec.heads, spec.head_dim}),
        projected({patches, spec.hidden}),
        inner({patches, spec.intermediate}) {}
};

Status check_input(const VisionSpec& spec, const Tensor& patches, const Grid& grid) {
  AZ_RETURN_IF_ERROR(check_shape("patches", Shape({grid.cells(), spec.patch_elements()}), patches.shape()));
  const int merge = spec.projector.merge;
  if (grid.cells() > 0 && grid.h % merge == 0 && grid.w % merge == 0) return ok_status();
  return invalid_argument("image grid expected rows and columns that are multiples of " + std::to_string(merge) +
                          ", found " + std::to_string(grid.h) + " x " + std::to_string(grid.w));
}

void add_learned_positions(const VisionSpec& spec, const Tensor& table, const Grid& grid,
                           const std::vector<positions::PatchPosition>& frame, Tensor& hidden) {
  const auto taps = positions::learned_grid_taps(spec.resample, spec.learned_side, grid, frame);
  for (int64_t patch = 0; patch < hidden.shape()[0]; ++patch) {
    const positions::GridTap& tap = taps[static_cast<size_t>(patch) % taps.size()];  // frames repeat the coordinates
    float* row = hidden.row(patch);
    for (int channel = 0; channel < spec.hidden; ++channel) {
      float sum = 0.0f;
      for (int i = 0; i < 4; ++i) sum += table.row(tap.index[i])[channel] * tap.weight[i];
      row[channel] += sum;
    }
  }
}

// Rotates queries and keys of one frame and attends within it.
void attend_frame(const VisionSpec& spec, const positions::RotaryTable& rotary, int64_t first, int64_t patches,
                  Workspace& work, ThreadPool& pool) {
  const int64_t width = int64_t{spec.heads} * spec.head_dim;
  const int64_t stride = 3 * width;
  float* queries = work.qkv.data() + first * stride;
  float* keys = queries + width;
  const float* values = queries + 2 * width;
  if (spec.rotary != TowerRotary::none) {
    for (float* x : {queries, keys}) {
      kernels::rotate(x, patches, spec.heads, spec.head_dim, stride, rotary.cosines.data(), rotary.sines.data(),
                      rotary.pairs, 1, true, pool);
    }
  }
  kernels::KvBlocks key_blocks(spec.heads, spec.head_dim);
  kernels::KvBlocks value_blocks(spec.heads, spec.head_dim);
  key_blocks.append(keys, patches, stride);
  value_blocks.append(values, patches, stride);
  const std::vector<kernels::KeyRange> ranges(static_cast<size_t>(patches), {0, patches});
  kernels::AttentionArgs args;
  args.queries = queries;
  args.query_count = patches;
  args.query_stride = stride;
  args.query_heads = args.kv_heads = spec.heads;
  args.head_dim = args.value_dim = spec.head_dim;
  args.key_blocks = key_blocks.blocks();
  args.value_blocks = value_blocks.blocks();
  args.ranges = ranges.data();
  args.scale = 1.0f / std::sqrt(static_cast<float>(spec.head_dim));
  args.output = work.attended.data() + first * width;
  args.output_stride = width;
  kernels::attention(args, pool);
}

void normalise(const LayerNormWeights& norm, float eps, const Tensor& in, Tensor& out, ThreadPool& pool) {
  const int64_t width = in.row_elements();
  kernels::layer_norm(in.data(), in.shape()[0], width, width, norm.weight.data(), norm.bias.data(), eps, out.data(),
                      width, pool);
}

void run_layer(const VisionSpec& spec, const TowerLayerWeights& layer, const Grid& grid,
               const positions::RotaryTable& rotary, Tensor& hidden, Workspace& work, ThreadPool& pool) {
  const int64_t patches = hidden.shape()[0];
  const int64_t per_frame = grid.h * grid.w;
  normalise(layer.attention_norm, spec.norm_eps, hidden, work.normed, pool);
  layer.qkv.apply(work.normed.data(), patches, work.qkv.data(), pool);
  for (int64_t frame = 0; frame < grid.t; ++frame) attend_frame(spec, rotary, frame * per_frame, per_frame, work, pool);
  layer.output.apply(work.attended.data(), patches, work.projected.data(), pool);
  kernels::add(hidden.data(), work.projected.data(), hidden.elements(), pool);

  normalise(layer.mlp_norm, spec.norm_eps, hidden, work.normed, pool);
  layer.up.apply(work.normed.data(), patches, work.inner.data(), pool);
  kernels::activate(spec.activation, work.inner.data(), work.inner.elements(), pool);
  layer.down.apply(work.inner.data(), patches, work.projected.data(), pool);
  kernels::add(hidden.data(), work.projected.data(), hidden.elements(), pool);
}

void tap(const RunContext& context, Stage stage, int layer, const Tensor& tensor) {
  if (context.tap != nullptr) (*context.tap)({.stage = stage, .layer = layer}, tensor.view());
}

}  // namespace

Result<MediaFeatures> Tower::encode(const Tensor& patches, const Grid& grid, const RunContext& context) const {
  AZ_RETURN_IF_ERROR(check_input(spec_, patches, grid));
  ThreadPool& pool = context.pool;
  const int merge = spec_.projector.merge;
  const auto frame = positions::patch_positions(spec_.order, grid, merge);
  const positions::RotaryTable rotary = positions::tower_rotary(spec_, frame);

  tap(context, Stage::pixels, -1, patches);
  Tensor hidden({grid.cells(), spec_.hidden});
  weights_.patch.apply(patches.data(), grid.cells(), hidden.data(), pool);
  if (spec_.learned_side > 0) add_learned_positions(spec_, weights_.learned_grid, grid, frame, hidden);

  MediaFeatures out;
  out.grid = {grid.t, grid.h / merge, grid.w / merge};
  Workspace work(spec_, grid.cells());
  for (int layer = 0; layer < spec_.layers; ++layer) {
    AZ_RETURN_IF_ERROR(context.checkpoint(static_cast<double>(layer) / spec_.layers));
    run_layer(spec_, weights_.layers[static_cast<size_t>(layer)], grid, rotary, hidden, work, pool);
    tap(context, Stage::tower_layer, layer, hidden);
    for (size_t level = 0; level < spec_.deepstack.size(); ++level) {
      if (spec_.deepstack[level].tower_layer != layer) continue;
      out.deepstack.push_back(project(spec_.deepstack[level].projector, weights_.deepstack[level], hidden, pool));
      tap(context, Stage::deepstack, static_cast<int>(level), out.deepstack.back());
    }
  }
  out.features = project(spec_.projector, weights_.projector, hidden, pool);
  tap(context, Stage::features, -1, out.features);
  AZ_RETURN_IF_ERROR(context.checkpoint(1.0));
  return out;
}

}  // namespace azimuth::vision
