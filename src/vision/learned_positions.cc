#include "vision/learned_positions.h"

#include <algorithm>
#include <vector>

#include "positions/tower/grid_taps.h"

namespace azimuth::vision {
namespace {

using positions::GridTaps;
using positions::PatchPosition;

constexpr int64_t kGrain = 64;  // patches of one piece of work

void write_class_tokens(const VisionSpec& spec, const TowerWeights& weights, float* frame) {
  for (int token = 0; token < spec.class_tokens; ++token) {
    float* out = frame + int64_t{token} * spec.hidden;
    std::copy_n(weights.class_tokens.row(token), spec.hidden, out);
    if (!spec.class_positions) continue;
    for (int channel = 0; channel < spec.hidden; ++channel) out[channel] += weights.learned_grid.row(token)[channel];
  }
}

// sum [hidden] is scratch memory.
void add_grid_position(const VisionSpec& spec, const Tensor& table, const GridTaps& taps, int64_t patch, float* sum,
                       float* out) {
  const int first_row = spec.class_positions ? spec.class_tokens : 0;
  const size_t first = static_cast<size_t>(patch) * static_cast<size_t>(taps.per_patch);
  std::fill_n(sum, spec.hidden, 0.0f);
  for (size_t i = first; i < first + static_cast<size_t>(taps.per_patch); ++i) {
    const float* learned = table.row(first_row + taps.index[i]);
    const float weight = taps.weight[i];
    for (int channel = 0; channel < spec.hidden; ++channel) sum[channel] += learned[channel] * weight;
  }
  for (int channel = 0; channel < spec.hidden; ++channel) out[channel] += sum[channel];
}

void add_axis_positions(const VisionSpec& spec, const Tensor& tables, const PatchPosition& patch, float* out) {
  if (patch.column < 0 || patch.row < 0) return;  // a pad
  const float* columns = tables.row(0) + int64_t{patch.column} * spec.hidden;
  const float* rows = tables.row(1) + int64_t{patch.row} * spec.hidden;
  for (int channel = 0; channel < spec.hidden; ++channel) out[channel] += columns[channel] + rows[channel];
}

Status check_fixed_grid(const VisionSpec& spec, const Grid& grid) {
  if (spec.resample != GridResample::fixed || (grid.h == spec.learned_side && grid.w == spec.learned_side)) {
    return ok_status();
  }
  return invalid_argument("the tower expected images of " + std::to_string(spec.learned_side) + " x " +
                          std::to_string(spec.learned_side) + " patches, which is all that it learned, found " +
                          std::to_string(grid.h) + " x " + std::to_string(grid.w) +
                          "; use the processor files of this checkpoint");
}

Status check_axis_tables(const VisionSpec& spec, const Grid& grid) {
  if (spec.learned_axis_rows == 0 || std::max(grid.h, grid.w) <= spec.learned_axis_rows) return ok_status();
  return out_of_range("image grid expected at most " + std::to_string(spec.learned_axis_rows) +
                      " rows and columns, which is what the tower learned, found " + std::to_string(grid.h) + " x " +
                      std::to_string(grid.w) + "; make the image smaller");
}

}  // namespace

Status add_learned_positions(const VisionSpec& spec, const TowerWeights& weights, const Grid& grid,
                             GridResample resample, const std::vector<PatchPosition>& frame, Tensor& hidden,
                             ThreadPool& pool) {
  AZ_RETURN_IF_ERROR(check_axis_tables(spec, grid));
  if (spec.learned_side > 0) AZ_RETURN_IF_ERROR(check_fixed_grid(spec, grid));
  const auto patches = static_cast<int64_t>(frame.size());
  const int64_t rows = spec.class_tokens + patches;
  const GridTaps taps =
      spec.learned_side > 0 ? positions::learned_grid_taps(resample, spec.learned_side, grid, frame) : GridTaps{};
  for (int64_t first = 0; first < hidden.shape()[0]; first += rows) {
    write_class_tokens(spec, weights, hidden.row(first));
    pool.for_each(patches, kGrain, [&](int64_t begin, int64_t end) {
      std::vector<float> sum(static_cast<size_t>(spec.hidden));
      for (int64_t patch = begin; patch < end; ++patch) {
        float* out = hidden.row(first + spec.class_tokens + patch);
        if (spec.learned_side > 0) add_grid_position(spec, weights.learned_grid, taps, patch, sum.data(), out);
        if (spec.learned_axis_rows > 0) {
          add_axis_positions(spec, weights.learned_axes, frame[static_cast<size_t>(patch)], out);
        }
      }
    });
  }
  return ok_status();
}

}  // namespace azimuth::vision
