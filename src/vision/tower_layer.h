// One layer of the image tower.
#pragma once

#include "positions/tower/tower_rotary.h"
#include "vision/tower.h"

namespace azimuth::vision {

// Tokens of the tower in one frame: the class tokens, then the patches, then tokens that all see and that see only the
// ones before them (a canvas's empty places).
struct FrameRows {
  int64_t classes = 0;
  int64_t patches = 0;
  int64_t empty = 0;
  const std::vector<kernels::KeyRange>* windows = nullptr;  // what each row sees of its frame; null: all of it
  int64_t filled() const { return classes + patches; }
  int64_t all() const { return classes + patches + empty; }
};

// Scratch of one pass, allocated once and reused by all layers. Rows are class tokens and patches.
struct TowerWorkspace {
  Tensor normed;     // [rows, hidden]
  Tensor qkv;        // [rows, qkv_width]: queries, keys, values
  Tensor attended;   // [rows, heads, head_dim]
  Tensor projected;  // [rows, hidden]
  Tensor inner;      // [rows, intermediate]
  Tensor up;         // [rows, intermediate] of a gated MLP with bounds; or empty

  TowerWorkspace(const VisionSpec& spec, int64_t rows);
};

// hidden [rows, hidden], changed in place. Attention stays within a frame of `frame` rows.
void run_tower_layer(const VisionSpec& spec, const TowerLayerWeights& layer, FrameRows frame,
                     const positions::TowerRotation& rotations, Tensor& hidden, TowerWorkspace& work, ThreadPool& pool);

}  // namespace azimuth::vision
