#include "vision/tower.h"

#include <algorithm>

#include "positions/tower/patch_positions.h"
#include "positions/tower/rotary_rules.h"
#include "positions/tower/tower_rotary.h"
#include "vision/learned_positions.h"
#include "vision/normalise.h"
#include "vision/projectors/projector.h"
#include "vision/tower_layer.h"
#include "vision/windows.h"

namespace azimuth::vision {
namespace {

Status check_input(const VisionSpec& spec, const Tensor& patches, const Grid& grid) {
  AZ_RETURN_IF_ERROR(check_shape("patches", Shape({grid.cells(), spec.patch_elements()}), patches.shape()));
  const int merge = spec.projector.merge;
  if (spec.projector.kind == ProjectorKind::patch_merger && merge > 1 && spec.order != PatchOrder::merge_blocks) {
    return invalid_argument("a projector that merges " + std::to_string(merge) + " x " + std::to_string(merge) +
                            " patches expected them in merge blocks, found raster order; order them by the grid");
  }
  // A mean over cells leaves out the rows and columns that no whole cell covers.
  const bool rest_allowed = spec.projector.kind == ProjectorKind::average_pool;
  if (grid.cells() > 0 && (rest_allowed || (grid.h % merge == 0 && grid.w % merge == 0))) return ok_status();
  return invalid_argument("image grid expected rows and columns that are multiples of " + std::to_string(merge) +
                          ", found " + std::to_string(grid.h) + " x " + std::to_string(grid.w));
}

void tap(const RunContext& context, Stage stage, int layer, const Tensor& tensor) {
  if (context.tap != nullptr) (*context.tap)({.stage = stage, .layer = layer}, tensor.view());
}

// 2 (x - 1/2) of every value.
Tensor centred(const Tensor& patches) {
  Tensor out = patches.clone();
  for (int64_t i = 0; i < out.elements(); ++i) out.data()[i] = 2.0f * (out.data()[i] - 0.5f);
  return out;
}

// The tower's rows before the first layer: class tokens and embedded patches of every frame, with learned positions.
Result<Tensor> embed(const VisionSpec& spec, const TowerWeights& weights, const Tensor& patches, const Grid& grid,
                     GridResample resample, const std::vector<positions::PatchPosition>& frame, ThreadPool& pool) {
  const auto per_frame = static_cast<int64_t>(frame.size());
  const int64_t rows = spec.class_tokens + per_frame;
  const Tensor moved = spec.centred_pixels ? centred(patches) : Tensor();
  const Tensor& pixels = spec.centred_pixels ? moved : patches;
  Tensor hidden({grid.t * rows, spec.hidden});
  for (int64_t t = 0; t < grid.t; ++t) {
    float* const out = hidden.row(t * rows + spec.class_tokens);
    weights.patch.apply(pixels.row(t * per_frame), per_frame, out, pool);
    if (spec.patch_norm) normalise(weights.patch_norm, spec.norm_eps, out, per_frame, spec.hidden, out, pool);
  }
  AZ_RETURN_IF_ERROR(add_learned_positions(spec, weights, grid, resample, frame, hidden, pool));
  if (spec.pre_norm) normalise(weights.pre_norm, spec.norm_eps, hidden, hidden, pool);
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

Result<Tensor> project_patches(const VisionSpec& spec, const ProjectorSpec& projector, const ProjectorWeights& weights,
                               const Tensor& hidden, FrameRows frame, const WindowPlan& windows, const Grid& grid,
                               ThreadPool& pool) {
  if (frame.classes != 0 && !spec.class_features) {
    return project(projector, weights, without_class_tokens(hidden, frame), grid, pool);
  }
  AZ_ASSIGN_OR_RETURN(Tensor rows, project(projector, weights, hidden, grid, pool));
  return windows.empty() ? std::move(rows) : from_window_order(windows, rows);
}

// The rows that the projector reads: of the last layer, or of the chosen layers side by side.
class FeatureRows {
 public:
  FeatureRows(const VisionSpec& spec, int64_t rows) : spec_(spec) {
    if (spec.feature_layers.empty()) return;
    rows_ = Tensor({rows, static_cast<int64_t>(spec.feature_layers.size()) * spec.hidden});
  }

  // hidden [rows, hidden] behind layer `layer`; -1: the embedding.
  void see(int layer, const Tensor& hidden) {
    for (size_t i = 0; i < spec_.feature_layers.size(); ++i) {
      if (spec_.feature_layers[i] != layer) continue;
      for (int64_t row = 0; row < hidden.shape()[0]; ++row) {
        std::copy_n(hidden.row(row), spec_.hidden, rows_.row(row) + static_cast<int64_t>(i) * spec_.hidden);
      }
    }
  }

  // `last`: of the last layer, behind the final norm.
  const Tensor& rows(const Tensor& last) const { return rows_.empty() ? last : rows_; }

  // No later layer is read.
  int last_layer() const {
    if (spec_.feature_layers.empty()) return spec_.layers - 1;
    return *std::max_element(spec_.feature_layers.begin(), spec_.feature_layers.end());
  }

 private:
  const VisionSpec& spec_;
  Tensor rows_;  // [rows, layers * hidden], or empty
};

}  // namespace

Result<MediaFeatures> Tower::encode(const Tensor& patches, const Grid& grid, const RunContext& context,
                                    std::optional<GridResample> resample) const {
  AZ_RETURN_IF_ERROR(check_input(spec_, patches, grid));
  ThreadPool& pool = context.pool;
  const int merge = spec_.projector.merge;
  const WindowPlan windows = plan_windows(spec_, grid);
  auto places = positions::patch_positions(spec_.order, grid, merge);
  if (!windows.empty()) places = to_window_order(windows, places);
  FrameRows frame{spec_.class_tokens, static_cast<int64_t>(places.size())};
  AZ_ASSIGN_OR_RETURN(positions::TowerRotation rotations, positions::tower_rotation(spec_, places));

  tap(context, Stage::pixels, -1, patches);
  const Tensor ordered = windows.empty() ? Tensor() : to_window_order(windows, patches);
  AZ_ASSIGN_OR_RETURN(Tensor hidden, embed(spec_, weights_, windows.empty() ? patches : ordered, grid,
                                           resample.value_or(spec_.resample), places, pool));

  MediaFeatures out;
  out.grid = spec_.projector.merged(grid);
  TowerWorkspace work(spec_, hidden.shape()[0]);
  FeatureRows chosen(spec_, hidden.shape()[0]);
  chosen.see(-1, hidden);
  for (int layer = 0; layer <= chosen.last_layer(); ++layer) {
    AZ_RETURN_IF_ERROR(context.checkpoint(static_cast<double>(layer) / spec_.layers));
    const TowerLayerWeights& weights = weights_.layers[static_cast<size_t>(layer)];
    if (spec_.rotary == TowerRotary::mixed) {
      const Tensor& learned = weights.mixed_frequencies;
      rotations = positions::mixed_rotation(spec_, places, {learned.data(), static_cast<size_t>(learned.elements())});
    }
    const bool windowed = std::ranges::find(spec_.windowed_layers, layer) != spec_.windowed_layers.end();
    frame.windows = windowed ? &windows.ranges : nullptr;
    run_tower_layer(spec_, weights, frame, rotations, hidden, work, pool);
    AZ_RETURN_IF_ERROR(RunContext::intact());
    tap(context, Stage::tower_layer, layer, hidden);
    chosen.see(layer, hidden);
    for (size_t level = 0; level < spec_.deepstack.size(); ++level) {
      if (spec_.deepstack[level].tower_layer != layer) continue;
      AZ_ASSIGN_OR_RETURN(Tensor rows, project_patches(spec_, spec_.deepstack[level].projector,
                                                       weights_.deepstack[level], hidden, frame, windows, grid, pool));
      AZ_RETURN_IF_ERROR(RunContext::intact());
      out.deepstack.push_back(std::move(rows));
      tap(context, Stage::deepstack, static_cast<int>(level), out.deepstack.back());
    }
  }
  if (spec_.final_norm) normalise(weights_.final_norm, spec_.norm_eps, hidden, hidden, pool);
  AZ_RETURN_IF_ERROR(RunContext::intact());
  tap(context, Stage::tower_output, -1, hidden);
  AZ_ASSIGN_OR_RETURN(out.features, project_patches(spec_, spec_.projector, weights_.projector, chosen.rows(hidden),
                                                    frame, windows, grid, pool));
  AZ_RETURN_IF_ERROR(context.checkpoint(1.0));
  tap(context, Stage::features, -1, out.features);
  return out;
}

}  // namespace azimuth::vision
