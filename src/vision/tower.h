// The image tower: patches in, image features for the decoder out.
#pragma once

#include <optional>
#include <vector>

#include "azimuth/prompt.h"
#include "azimuth/status.h"
#include "spec/media_features.h"
#include "spec/run_context.h"
#include "spec/vision_spec.h"
#include "tensor/tensor.h"
#include "vision/clipped_linear.h"
#include "vision/perceiver_weights.h"

namespace azimuth::vision {

struct NormWeights {
  Tensor weight;  // [width]
  Tensor bias;    // [width]; empty: RMS norm
};

struct TowerLayerWeights {
  NormWeights attention_norm;
  kernels::Linear qkv;     // [qkv_width, hidden]: queries, keys, values; empty where VisionSpec::clipped
  ClippedLinear query;     // [heads * head_dim, hidden] where VisionSpec::clipped
  ClippedLinear key;       // [kv_heads * head_dim, hidden]
  ClippedLinear value;     // [kv_heads * head_dim, hidden]
  NormWeights query_norm;  // [head_dim], or [heads * head_dim] where TowerQkNorm::all_heads; or empty
  NormWeights key_norm;
  ClippedLinear output;             // [hidden, heads * head_dim]
  NormWeights attention_post_norm;  // [hidden], or empty
  Tensor attention_scale;           // [hidden], or empty
  NormWeights mlp_norm;
  ClippedLinear gate;         // [intermediate, hidden]; empty for a plain MLP
  ClippedLinear up;           // [intermediate, hidden]
  ClippedLinear down;         // [hidden, intermediate]
  NormWeights mlp_post_norm;  // [hidden], or empty
  Tensor mlp_scale;           // [hidden], or empty
  Tensor mixed_frequencies;   // [2, heads, head_dim / 2] for columns and rows, where TowerRotary::mixed; or empty
};

// One attention of a Q-Former, with the norm behind its residual.
struct QFormerAttention {
  kernels::Linear query;   // [hidden, hidden]
  kernels::Linear key;     // [hidden, width of what is attended to]
  kernels::Linear value;   // [hidden, width of what is attended to]
  kernels::Linear output;  // [hidden, hidden]
  NormWeights norm;        // [hidden]
};

struct QFormerLayer {
  QFormerAttention self;
  std::optional<QFormerAttention> cross;
  kernels::Linear up;    // [intermediate, hidden]
  kernels::Linear down;  // [hidden, intermediate]
  NormWeights mlp_norm;  // [hidden]
};

// What a tower over a canvas learned about places (CanvasSpec). Gates are stored with tanh applied.
struct CanvasWeights {
  float position_gate = 0.0f;  // share of tile_positions; that of the learned grid is the rest
  Tensor tile_positions;       // [aspect ratios + 1, places * (class token and patches) * hidden]
  float gate_before = 0.0f;
  Tensor tiles_before;  // [aspect ratios + 1, places * hidden], added to patches in front of the first encoder
  float gate_between = 0.0f;
  Tensor tiles_between;  // [aspect ratios + 1, places * hidden], added to all tokens between the encoders
};

// What a kind does not name stays empty.
struct ProjectorWeights {
  NormWeights norm;        // [hidden], or [merge * merge * hidden] where it acts on merged patches
  kernels::Linear first;   // of patch_merger [merge * merge * hidden, merge * merge * hidden]
  kernels::Linear second;  // [output, outputs of the first]
  Tensor queries;          // [queries, width]: learned
  std::vector<QFormerLayer> q_former;
  Tensor mean;   // [hidden] of standardised cells
  Tensor scale;  // [hidden]
  PerceiverWeights perceiver;
};

struct TowerWeights {
  kernels::Linear patch;   // [hidden, patch elements]
  NormWeights patch_norm;  // [hidden], or empty
  Tensor class_tokens;     // [class tokens, hidden], or empty
  Tensor learned_grid;     // [class tokens where they have positions, then side * side; hidden], or empty
  Tensor learned_axes;     // [2, learned_axis_rows, hidden]: of columns, then of rows; or empty
  NormWeights pre_norm;    // [hidden], or empty
  NormWeights final_norm;  // [hidden], or empty
  CanvasWeights canvas;
  std::vector<TowerLayerWeights> layers;  // of both encoders of a canvas
  ProjectorWeights projector;
  std::vector<ProjectorWeights> deepstack;  // as VisionSpec::deepstack
  Tensor newline;  // [output]: the feature behind rows of patches, where the arrangement has one
};

class Tower {
 public:
  Tower(VisionSpec spec, TowerWeights weights) : spec_(std::move(spec)), weights_(std::move(weights)) {}

  const VisionSpec& spec() const { return spec_; }
  const TowerWeights& weights() const { return weights_; }

  // `patches` [grid.cells(), patch elements] in the spec's patch order; `grid` counts patches and divides into merge
  // cells. Attention stays within a frame; each frame has its own class tokens in front of its patches, which
  // Stage::tower_layer shows and which the projectors see under VisionSpec::class_features only. `resample` replaces
  // the spec's way to learned positions. Errors: a patch tensor that does not fit the grid; a head that the rotation
  // cannot divide; a grid beyond learned tables of rows and columns; cancelled.
  Result<MediaFeatures> encode(const Tensor& patches, const Grid& grid, const RunContext& context,
                               std::optional<GridResample> resample = {}) const;

 private:
  VisionSpec spec_;
  TowerWeights weights_;
};

}  // namespace azimuth::vision
