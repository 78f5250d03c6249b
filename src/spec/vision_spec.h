// The image tower of a model and the projector behind it.
#pragma once

#include <cstdint>
#include <vector>

#include "spec/activation.h"

namespace azimuth {

// How a tower knows where a patch is, beside a learned table.
enum class TowerRotary : uint8_t {
  none,
  axial_halves,       // pairs for rows, then for columns, over halves of the head (Qwen)
  axial_split,        // half of the head for columns, half for rows, each with its own halves (Gemma 4)
  axial_interleaved,  // pairs for columns, then for rows, of neighbouring channels (rope-vit axial)
  mixed,              // neighbouring channels; shares of column and row learned per layer and head (rope-vit mixed)
};

// How a learned position grid is resampled to the grid of an image (positions.md 1.2).
enum class GridResample : uint8_t {
  bilinear_corners,  // align_corners = true (Qwen3-VL)
  bilinear,          // align_corners = false
  bicubic,           // align_corners = false, a = -0.75 (SigLIP, ViT, InternViT)
};

enum class PatchOrder : uint8_t {
  merge_blocks,  // (h/m, w/m, m, m): the m*m patches that merge into one token are neighbours
  raster,        // row by row
};

enum class ProjectorKind : uint8_t {
  patch_merger,  // norm, m*m neighbours concatenated, linear, GELU (erf), linear
};

struct ProjectorSpec {
  ProjectorKind kind = ProjectorKind::patch_merger;
  int merge = 2;   // cells of the tower per side that become one token
  int output = 0;  // width of the decoder
  float norm_eps = 1e-6f;
  bool norm_after_shuffle = false;  // normalise the concatenated m*m*hidden channels instead of each patch
};

// A projector that taps an inner layer and whose output is added to the hidden states of a decoder layer.
struct DeepStackSpec {
  int tower_layer = 0;   // reads the output of this tower layer
  int weight_index = 0;  // which of the checkpoint's DeepStack projectors
  ProjectorSpec projector;
};

struct VisionSpec {
  int layers = 0;
  int hidden = 0;
  int heads = 0;
  int head_dim = 0;
  int intermediate = 0;
  Activation activation = Activation::gelu_tanh;
  float norm_eps = 1e-6f;
  bool qkv_bias = true;

  // Patches
  int channels = 3;
  int temporal_patch = 1;
  int patch = 14;
  PatchOrder order = PatchOrder::merge_blocks;
  int64_t patch_elements() const { return int64_t{channels} * temporal_patch * patch * patch; }

  // Tokens before the patches of each frame; they are not rotated, and the projector does not see them.
  int class_tokens = 0;

  // Positions
  int learned_side = 0;          // rows = columns of the learned grid; 0: none
  int64_t learned_rows = 0;      // rows of the table in the file; may exceed side * side
  bool class_positions = false;  // the table starts with a row for each class token, which is never resampled
  GridResample resample = GridResample::bilinear_corners;
  int64_t learned_axis_rows =
      0;  // rows of each of two tables, of columns and of rows, that are added (Gemma 4); 0: none
  TowerRotary rotary = TowerRotary::none;
  double rotary_theta = 10000.0;

  ProjectorSpec projector;
  std::vector<DeepStackSpec> deepstack;  // in the order of the decoder layers 0, 1, ... that they feed
};

}  // namespace azimuth
