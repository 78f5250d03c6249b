// The image tower: patches in, image features for the decoder out.
#pragma once

#include <vector>

#include "azimuth/prompt.h"
#include "azimuth/status.h"
#include "kernels/linear.h"
#include "spec/media_features.h"
#include "spec/run_context.h"
#include "spec/vision_spec.h"
#include "tensor/tensor.h"

namespace azimuth::vision {

struct LayerNormWeights {
  Tensor weight;  // [width]
  Tensor bias;    // [width]
};

struct TowerLayerWeights {
  LayerNormWeights attention_norm;
  kernels::Linear qkv;     // [3 * heads * head_dim, hidden]: queries, keys, values
  kernels::Linear output;  // [hidden, heads * head_dim]
  LayerNormWeights mlp_norm;
  kernels::Linear up;        // [intermediate, hidden]
  kernels::Linear down;      // [hidden, intermediate]
  Tensor mixed_frequencies;  // [2, heads, head_dim / 2] for columns and rows, where TowerRotary::mixed; or empty
};

struct ProjectorWeights {
  LayerNormWeights norm;   // [hidden], or [merge * merge * hidden] when the spec normalises after the shuffle
  kernels::Linear first;   // [merge * merge * hidden, merge * merge * hidden]
  kernels::Linear second;  // [output, merge * merge * hidden]
};

struct TowerWeights {
  kernels::Linear patch;  // [hidden, patch elements]
  Tensor class_tokens;    // [class tokens, hidden], or empty
  Tensor learned_grid;    // [class tokens where they have positions, then side * side; hidden], or empty
  Tensor learned_axes;    // [2, learned_axis_rows, hidden]: of columns, then of rows; or empty
  std::vector<TowerLayerWeights> layers;
  ProjectorWeights projector;
  std::vector<ProjectorWeights> deepstack;  // as VisionSpec::deepstack
};

class Tower {
 public:
  Tower(VisionSpec spec, TowerWeights weights) : spec_(std::move(spec)), weights_(std::move(weights)) {}

  const VisionSpec& spec() const { return spec_; }

  // `patches` [grid.cells(), patch elements] in the spec's patch order; `grid` counts patches and divides into merge
  // cells. Attention stays within a frame; each frame has its own class tokens in front of its patches, which
  // Stage::tower_layer shows and the projectors do not see. Errors: a patch tensor that does not fit the grid; a head
  // that the rotation cannot divide; a grid beyond learned tables of rows and columns; cancelled.
  Result<MediaFeatures> encode(const Tensor& patches, const Grid& grid, const RunContext& context) const;

 private:
  VisionSpec spec_;
  TowerWeights weights_;
};

}  // namespace azimuth::vision
