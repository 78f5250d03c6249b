// Source: transformers, MllamaVisionModel. Two encoders over the tokens of all tiles. Tiles that a picture leaves
// empty, and the empty tokens that fill up each tile, are seen by the picture's own tokens and see only those.
#include "vision/canvas_tower.h"

#include <algorithm>
#include <cmath>

#include "vision/normalise.h"
#include "vision/projectors/projector.h"
#include "vision/tower_layer.h"

namespace azimuth::vision {
namespace {

constexpr float kOuterNormEps = 1e-5f;  // of the norms around the encoders: nn.LayerNorm's own

// Rows of hidden states: the tokens of each place for a tile, filled ones first, then the empty tokens of all places.
struct Rows {
  int64_t places = 0;    // for tiles
  int64_t filled = 0;    // places that the picture fills
  int64_t per_tile = 0;  // class token and patches
  int64_t empty = 0;     // empty tokens behind each tile's

  int64_t tokens() const { return places * per_tile; }
  int64_t all() const { return places * (per_tile + empty); }
  int64_t of_picture() const { return filled * per_tile; }
};

// x[channel] += gate * y[channel]
void add_scaled(const float* y, float gate, int64_t width, float* x) {
  for (int64_t channel = 0; channel < width; ++channel) x[channel] += gate * y[channel];
}

Status check_tiles(const VisionSpec& spec, const preprocess::MediaPixels& pixels) {
  const int64_t count = static_cast<int64_t>(pixels.tiles.size());
  if (count == 0 || count > spec.canvas->tiles) {
    return invalid_argument("the tower expected 1 to " + std::to_string(spec.canvas->tiles) +
                            " tiles of a picture, found " + std::to_string(count) +
                            "; use the processor files of this checkpoint");
  }
  for (const preprocess::Patches& tile : pixels.tiles) {
    if (tile.planes() && tile.grid == Grid{1, spec.learned_side, spec.learned_side}) continue;
    return invalid_argument("the tower expected tiles of " + std::to_string(spec.learned_side) + " x " +
                            std::to_string(spec.learned_side) + " patches, found " + std::to_string(tile.grid.h) +
                            " x " + std::to_string(tile.grid.w) + "; use the processor files of this checkpoint");
  }
  return ok_status();
}

// Class tokens and patches of every place, with what the tower learned about places on a canvas: [rows, hidden].
Tensor embed(const VisionSpec& spec, const TowerWeights& weights, const preprocess::MediaPixels& pixels,
             const Rows& rows, int64_t ratio, ThreadPool& pool) {
  const CanvasWeights& canvas = weights.canvas;
  const int64_t width = spec.hidden;
  Tensor hidden = Tensor::zeros({rows.all(), width});
  for (int64_t place = 0; place < rows.places; ++place) {
    float* const first = hidden.row(place * rows.per_tile);
    std::copy_n(weights.class_tokens.data(), width, first);
    if (place < rows.filled) {
      const Tensor patches = preprocess::patch_rows(pixels.tiles[static_cast<size_t>(place)], spec.patch, 1, pool);
      weights.patch.apply(patches.data(), patches.shape()[0], first + width, pool);
    }
    const float* tile = canvas.tiles_before.row(ratio) + place * width;
    const float* positions = canvas.tile_positions.row(ratio) + place * rows.per_tile * width;
    for (int64_t token = 0; token < rows.per_tile; ++token) {
      float* x = first + token * width;
      if (token > 0) add_scaled(tile, canvas.gate_before, width, x);
      add_scaled(weights.learned_grid.row(token), 1.0f - canvas.position_gate, width, x);
      add_scaled(positions + token * width, canvas.position_gate, width, x);
    }
  }
  normalise(weights.pre_norm, kOuterNormEps, hidden.data(), rows.tokens(), width, hidden.data(), pool);
  return hidden;
}

// What the tower learned about a tile's place, once more between the encoders; the empty tokens of a place get it, too.
void add_tiles_between(const CanvasWeights& canvas, const Rows& rows, int64_t ratio, Tensor& hidden) {
  const int64_t width = hidden.row_elements();
  for (int64_t place = 0; place < rows.places; ++place) {
    const float* tile = canvas.tiles_between.row(ratio) + place * width;
    for (int64_t token = 0; token < rows.per_tile; ++token) {
      add_scaled(tile, canvas.gate_between, width, hidden.row(place * rows.per_tile + token));
    }
    for (int64_t token = 0; token < rows.empty; ++token) {
      add_scaled(tile, canvas.gate_between, width, hidden.row(rows.tokens() + place * rows.empty + token));
    }
  }
}

// Rows that the projector reads: the last layer's channels, then those of the chosen layers, channel by channel.
class ProjectorRows {
 public:
  ProjectorRows(const VisionSpec& spec, const Rows& rows)
      : spec_(spec), rows_({rows.tokens(), spec.hidden * (1 + static_cast<int64_t>(spec.feature_layers.size()))}) {}

  void see(int layer, const Tensor& hidden) {
    const auto chosen = static_cast<int64_t>(spec_.feature_layers.size());
    for (int64_t i = 0; i < chosen; ++i) {
      if (spec_.feature_layers[static_cast<size_t>(i)] == layer) copy(hidden, spec_.hidden + i, chosen);
    }
  }

  const Tensor& finish(const Tensor& hidden) {
    copy(hidden, 0, 1);
    return rows_;
  }

 private:
  // Channel c goes to column first + c * step.
  void copy(const Tensor& hidden, int64_t first, int64_t step) {
    for (int64_t row = 0; row < rows_.shape()[0]; ++row) {
      for (int64_t channel = 0; channel < spec_.hidden; ++channel) {
        rows_.row(row)[first + channel * step] = hidden.row(row)[channel];
      }
    }
  }

  const VisionSpec& spec_;
  Tensor rows_;  // [tokens, hidden * (1 + chosen layers)]
};

void tap(const RunContext& context, Stage stage, int layer, const Tensor& tensor) {
  if (context.tap != nullptr) (*context.tap)({.stage = stage, .layer = layer}, tensor.view());
}

}  // namespace

int64_t aspect_ratio_id(int64_t rows, int64_t columns, int64_t tiles) {
  int64_t id = columns;
  for (int64_t lower = 1; lower < rows; ++lower) id += tiles / lower;
  return id;
}

Result<MediaFeatures> encode_canvas(const VisionSpec& spec, const TowerWeights& weights,
                                    const preprocess::MediaPixels& pixels, const RunContext& context) {
  AZ_RETURN_IF_ERROR(check_tiles(spec, pixels));
  const CanvasSpec& canvas = *spec.canvas;
  ThreadPool& pool = context.pool;
  Rows rows;
  rows.places = canvas.tiles;
  rows.filled = static_cast<int64_t>(pixels.tiles.size());
  rows.per_tile = 1 + int64_t{spec.learned_side} * spec.learned_side;
  rows.empty = (canvas.multiple - rows.per_tile % canvas.multiple) % canvas.multiple;
  const int64_t ratio = aspect_ratio_id(pixels.tile_rows, pixels.tile_columns, canvas.tiles);

  for (const preprocess::Patches& tile : pixels.tiles) tap(context, Stage::pixels, -1, tile.pixels);
  Tensor hidden = embed(spec, weights, pixels, rows, ratio, pool);
  const FrameRows frame{0, rows.of_picture(), rows.all() - rows.of_picture()};
  TowerWorkspace work(spec, rows.all());
  ProjectorRows chosen(spec, rows);
  const int layers = spec.layers + canvas.global_layers;
  for (int layer = 0; layer < layers; ++layer) {
    AZ_RETURN_IF_ERROR(context.checkpoint(static_cast<double>(layer) / layers));
    if (layer == spec.layers) add_tiles_between(weights.canvas, rows, ratio, hidden);
    run_tower_layer(spec, weights.layers[static_cast<size_t>(layer)], frame, {}, hidden, work, pool);
    AZ_RETURN_IF_ERROR(RunContext::intact());
    tap(context, Stage::tower_layer, layer, hidden);
    if (layer < spec.layers) chosen.see(layer, hidden);
    if (layer == spec.layers - 1) normalise(weights.final_norm, kOuterNormEps, hidden, hidden, pool);
  }
  if (canvas.global_layers == 0) add_tiles_between(weights.canvas, rows, ratio, hidden);

  AZ_RETURN_IF_ERROR(RunContext::intact());
  tap(context, Stage::tower_output, -1, hidden);
  MediaFeatures out;
  out.grid = {1, 1, 1};
  AZ_ASSIGN_OR_RETURN(out.features, project(spec.projector, weights.projector, chosen.finish(hidden),
                                            {1, rows.places, rows.per_tile}, pool));
  out.arrays.assign(static_cast<size_t>(rows.places), rows.per_tile);
  out.filled_rows = rows.of_picture();
  AZ_RETURN_IF_ERROR(context.checkpoint(1.0));
  tap(context, Stage::features, -1, out.features);
  return out;
}

}  // namespace azimuth::vision
