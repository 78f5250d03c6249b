#include "vision/tower.h"

#include <algorithm>
#include <cmath>

#include "kernels/kv_blocks.h"
#include "positions/tower/patch_positions.h"
#include "positions/tower/rotary_rules.h"
#include "positions/tower/tower_rotary.h"
#include "vision/learned_positions.h"
#include "vision/projector.h"

namespace azimuth::vision {
namespace {

// Scratch of one pass, allocated once and reused by all layers. Rows are class tokens and patches.
struct Workspace {
  Tensor normed;     // [rows, hidden]
  Tensor qkv;        // [rows, 3, heads, head_dim]
  Tensor attended;   // [rows, heads, head_dim]
  Tensor projected;  // [rows, hidden]
  Tensor inner;      // [rows, intermediate]

  Workspace(const VisionSpec& spec, int64_t rows)
      : normed({rows, spec.hidden}),
        qkv({rows, 3, spec.heads, spec.head_dim}),
        attended({rows, spec.heads, spec.head_dim}),
        projected({rows, spec.hidden}),
        inner({rows, spec.intermediate}) {}
};

Status check_input(const VisionSpec& spec, const Tensor& patches, const Grid& grid) {
  AZ_RETURN_IF_ERROR(check_shape("patches", Shape({grid.cells(), spec.patch_elements()}), patches.shape()));
  const int merge = spec.projector.merge;
  if (merge > 1 && spec.order != PatchOrder::merge_blocks) {
    return invalid_argument("a projector that merges " + std::to_string(merge) + " x " + std::to_string(merge) +
                            " patches expected them in merge blocks, found raster order; order them by the grid");
  }
  if (grid.cells() > 0 && grid.h % merge == 0 && grid.w % merge == 0) return ok_status();
  return invalid_argument("image grid expected rows and columns that are multiples of " + std::to_string(merge) +
                          ", found " + std::to_string(grid.h) + " x " + std::to_string(grid.w));
}

// Tokens of the tower in one frame: the class tokens, then the patches.
struct FrameRows {
  int64_t classes = 0;
  int64_t patches = 0;
  int64_t all() const { return classes + patches; }
};

// Turns the patches' part of each head of queries or keys, which start at `x` and lie `stride` apart.
void rotate_patches(const VisionSpec& spec, const positions::TowerRotation& rotations, int64_t patches, int64_t stride,
                    float* x, ThreadPool& pool) {
  for (const positions::HeadRotation& rotation : rotations) {
    const positions::RotaryTable& table = rotation.table;
    kernels::rotate(x + rotation.first_channel, patches, spec.heads, spec.head_dim, stride, table.cosines.data(),
                    table.sines.data(), table.pairs, table.groups, rotation.pairing == Pairing::halves, pool);
  }
}

// Rotates queries and keys of one frame and attends within it. `first` is the frame's first row.
void attend_frame(const VisionSpec& spec, const positions::TowerRotation& rotations, int64_t first, FrameRows rows,
                  Workspace& work, ThreadPool& pool) {
  const int64_t width = int64_t{spec.heads} * spec.head_dim;
  const int64_t stride = 3 * width;
  float* queries = work.qkv.data() + first * stride;
  float* keys = queries + width;
  const float* values = queries + 2 * width;
  for (float* x : {queries, keys}) {
    rotate_patches(spec, rotations, rows.patches, stride, x + rows.classes * stride, pool);
  }
  kernels::KvBlocks key_blocks(spec.heads, spec.head_dim);
  kernels::KvBlocks value_blocks(spec.heads, spec.head_dim);
  key_blocks.append(keys, rows.all(), stride);
  value_blocks.append(values, rows.all(), stride);
  const std::vector<kernels::KeyRange> ranges(static_cast<size_t>(rows.all()), {0, rows.all()});
  kernels::AttentionArgs args;
  args.queries = queries;
  args.query_count = rows.all();
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

void run_layer(const VisionSpec& spec, const TowerLayerWeights& layer, FrameRows frame,
               const positions::TowerRotation& rotations, Tensor& hidden, Workspace& work, ThreadPool& pool) {
  const int64_t rows = hidden.shape()[0];
  normalise(layer.attention_norm, spec.norm_eps, hidden, work.normed, pool);
  layer.qkv.apply(work.normed.data(), rows, work.qkv.data(), pool);
  for (int64_t first = 0; first < rows; first += frame.all()) attend_frame(spec, rotations, first, frame, work, pool);
  layer.output.apply(work.attended.data(), rows, work.projected.data(), pool);
  kernels::add(hidden.data(), work.projected.data(), hidden.elements(), pool);

  normalise(layer.mlp_norm, spec.norm_eps, hidden, work.normed, pool);
  layer.up.apply(work.normed.data(), rows, work.inner.data(), pool);
  kernels::activate(spec.activation, work.inner.data(), work.inner.elements(), pool);
  layer.down.apply(work.inner.data(), rows, work.projected.data(), pool);
  kernels::add(hidden.data(), work.projected.data(), hidden.elements(), pool);
}

void tap(const RunContext& context, Stage stage, int layer, const Tensor& tensor) {
  if (context.tap != nullptr) (*context.tap)({.stage = stage, .layer = layer}, tensor.view());
}

// The tower's rows before the first layer: class tokens and embedded patches of every frame, with learned positions.
Result<Tensor> embed(const VisionSpec& spec, const TowerWeights& weights, const Tensor& patches, const Grid& grid,
                     const std::vector<positions::PatchPosition>& frame, ThreadPool& pool) {
  const auto per_frame = static_cast<int64_t>(frame.size());
  const int64_t rows = spec.class_tokens + per_frame;
  Tensor hidden({grid.t * rows, spec.hidden});
  for (int64_t t = 0; t < grid.t; ++t) {
    weights.patch.apply(patches.row(t * per_frame), per_frame, hidden.row(t * rows + spec.class_tokens), pool);
  }
  AZ_RETURN_IF_ERROR(add_learned_positions(spec, weights, grid, frame, hidden, pool));
  return hidden;
}

// [frames * (classes + patches), hidden] -> [frames * patches, hidden]
Tensor without_class_tokens(const Tensor& hidden, FrameRows frame) {
  const int64_t frames = hidden.shape()[0] / frame.all();
  Tensor out({frames * frame.patches, hidden.shape()[1]});
  for (int64_t t = 0; t < frames; ++t) {
    std::copy_n(hidden.row(t * frame.all() + frame.classes), frame.patches * hidden.row_elements(),
                out.row(t * frame.patches));
  }
  return out;
}

Tensor project_patches(const ProjectorSpec& spec, const ProjectorWeights& weights, const Tensor& hidden,
                       FrameRows frame, ThreadPool& pool) {
  if (frame.classes == 0) return project(spec, weights, hidden, pool);
  return project(spec, weights, without_class_tokens(hidden, frame), pool);
}

}  // namespace

Result<MediaFeatures> Tower::encode(const Tensor& patches, const Grid& grid, const RunContext& context) const {
  AZ_RETURN_IF_ERROR(check_input(spec_, patches, grid));
  ThreadPool& pool = context.pool;
  const int merge = spec_.projector.merge;
  const auto places = positions::patch_positions(spec_.order, grid, merge);
  const FrameRows frame{spec_.class_tokens, static_cast<int64_t>(places.size())};
  AZ_ASSIGN_OR_RETURN(positions::TowerRotation rotations, positions::tower_rotation(spec_, places));

  tap(context, Stage::pixels, -1, patches);
  AZ_ASSIGN_OR_RETURN(Tensor hidden, embed(spec_, weights_, patches, grid, places, pool));

  MediaFeatures out;
  out.grid = {grid.t, grid.h / merge, grid.w / merge};
  Workspace work(spec_, hidden.shape()[0]);
  for (int layer = 0; layer < spec_.layers; ++layer) {
    AZ_RETURN_IF_ERROR(context.checkpoint(static_cast<double>(layer) / spec_.layers));
    const TowerLayerWeights& weights = weights_.layers[static_cast<size_t>(layer)];
    if (spec_.rotary == TowerRotary::mixed) {
      const Tensor& learned = weights.mixed_frequencies;
      rotations = positions::mixed_rotation(spec_, places, {learned.data(), static_cast<size_t>(learned.elements())});
    }
    run_layer(spec_, weights, frame, rotations, hidden, work, pool);
    tap(context, Stage::tower_layer, layer, hidden);
    for (size_t level = 0; level < spec_.deepstack.size(); ++level) {
      if (spec_.deepstack[level].tower_layer != layer) continue;
      out.deepstack.push_back(
          project_patches(spec_.deepstack[level].projector, weights_.deepstack[level], hidden, frame, pool));
      tap(context, Stage::deepstack, static_cast<int>(level), out.deepstack.back());
    }
  }
  out.features = project_patches(spec_.projector, weights_.projector, hidden, frame, pool);
  tap(context, Stage::features, -1, out.features);
  AZ_RETURN_IF_ERROR(context.checkpoint(1.0));
  return out;
}

}  // namespace azimuth::vision
