// The image tower of a model and the projector behind it.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "azimuth/prompt.h"
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
  bilinear_corners,         // align_corners = true (Qwen3-VL)
  bilinear,                 // align_corners = false
  bicubic,                  // align_corners = false, a = -0.75 (SigLIP, ViT, InternViT)
  fixed,                    // only the table's own grid; another one is an error (BLIP-2)
  fraction_buckets,         // the cell that the patch's fraction of the image falls into (Idefics)
  shrunk_fraction_buckets,  // the same with fractions of 1 - 1e-6 of their size, as transformers 4.57 had it
};

// Norms of a tower's queries and keys, before rotation.
enum class TowerQkNorm : uint8_t {
  none,
  per_head,   // over the channels of each head
  all_heads,  // over the channels of all heads together (InternViT)
};

enum class PatchOrder : uint8_t {
  merge_blocks,  // (h/m, w/m, m, m): the m*m patches that merge into one token are neighbours
  raster,        // row by row
};

// From the tower's patches to the decoder's tokens. One file of vision/projectors/ per kind.
enum class ProjectorKind : uint8_t {
  patch_merger,          // norm, m*m neighbours concatenated, linear, activation, linear (Qwen, InternVL)
  pixel_shuffle_linear,  // m*m neighbours concatenated, linear (Idefics3)
  linear,                // (PaliGemma)
  mlp,                   // linear, activation, linear (LLaVA)
  average_pool,          // m*m neighbours averaged, norm, linear (Gemma 3)
  position_pool,         // as average_pool, by the places of the patches, scaled by sqrt(hidden) (Gemma 4)
  perceiver,             // learned queries attend to all patches (Idefics2)
  q_former,              // learned queries in a small BERT with cross-attention (BLIP-2)
  visual_table,          // a distribution over a visual vocabulary, times its table (Ovis2)
};

// How the features of an image's tiles become the rows that the decoder gets. One file of vision/arrangement/ per kind.
enum class FeatureArrangement : uint8_t {
  tiles_in_order,     // tile after tile
  unpadded_rows,      // whole image, then the tiles as one picture without its padding, a newline feature per row
                      // (LLaVA-NeXT)
  unpadded_or_whole,  // the same for a sample's only image, with fewer cells where there are too many; of several
                      // images the whole ones alone, each with one newline (LLaVA-OneVision)
  cross_attended,   // one block that stays outside of the sequence (mllama)
  frames_in_order,  // of a video: frame after frame, each an array and a block of its own (InternVL)
  pooled_frames,    // of a video: frames at half the cells per side, one newline behind them (LLaVA-OneVision)
};

// A small BERT whose learned queries attend to the tower's tokens.
struct QFormerSpec {
  int layers = 0;
  int hidden = 0;
  int heads = 0;
  int intermediate = 0;
  int cross_every = 1;  // layers 0, cross_every, ... attend to the tower
  float norm_eps = 1e-12f;
  Activation activation = Activation::gelu_erf;

  bool has_cross(int layer) const { return layer % cross_every == 0; }
};

// What a cell of the visual table's vocabulary is: a mean weighted by softmax, or the one word of the largest logit.
enum class VisualWords : uint8_t { weighted, largest };

// Layers of learned queries that attend to the patches and to themselves (perceiver).
struct PerceiverSpec {
  int layers = 0;
  int heads = 0;
  int kv_heads = 0;
  int head_dim = 0;
  Activation activation = Activation::silu;
};

struct ProjectorSpec {
  ProjectorKind kind = ProjectorKind::patch_merger;
  int merge = 2;    // cells of the tower per side that become one token
  int output = 0;   // width of the decoder
  int queries = 0;  // tokens that learned queries make of every tile; 0: one token per merged cell
  float norm_eps = 1e-6f;
  bool norm_after_shuffle = false;  // normalise the concatenated m*m*hidden channels instead of each patch
  bool standardise = false;    // cells are moved by a learned mean and multiplied by a learned scale (position_pool)
  bool norm_plus_one = false;  // the norm's weight w acts as 1 + w
  Activation activation = Activation::gelu_erf;
  std::optional<QFormerSpec> q_former = {};  // of kind q_former
  // Of visual_table: words of the vocabulary, how a cell chooses among them, and rows of the table behind them that
  // stand for indicator tokens of the prompt.
  int64_t vocab = 0;
  VisualWords visual_words = VisualWords::weighted;
  int64_t indicators = 0;
  std::optional<PerceiverSpec> perceiver = {};

  // Cells that the decoder gets for a grid of patches.
  Grid merged(const Grid& patches) const {
    if (queries > 0) return {patches.t, 1, queries};
    return {patches.t, patches.h / merge, patches.w / merge};
  }
};

// Places for the tiles of a picture, whose tokens all see each other, and two encoders (mllama).
struct CanvasSpec {
  int tiles = 4;          // places; those that a picture leaves empty are seen as well
  int global_layers = 0;  // of the second encoder, behind VisionSpec::layers; gated by tanh
  int multiple = 8;       // the tokens of each place are filled up with empty ones to a multiple of it
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
  int kv_heads = 0;  // 0: as many as heads
  int head_dim = 0;
  float attention_scale = 0.0f;  // multiplies q.k; 0: 1 / sqrt(head_dim)
  int intermediate = 0;
  Activation activation = Activation::gelu_tanh;
  NormKind norm = NormKind::layer;
  float norm_eps = 1e-6f;
  bool qkv_bias = true;
  bool mlp_bias = true;
  bool gated_mlp = false;    // down(act(gate(x)) * up(x))
  bool layer_scale = false;  // attention and MLP outputs are multiplied by a learned vector before they are added
  bool post_norms = false;   // a norm after attention and after the MLP as well, before the residual is added
  bool patch_norm = false;   // a norm on the embedded patches, before they get their positions (Ovis2)
  bool pre_norm = false;     // a norm in front of the first layer (CLIP)
  bool final_norm = false;   // a norm behind the last layer
  TowerQkNorm qk_norm = TowerQkNorm::none;
  bool value_norm = false;   // RMSNorm without weight over head_dim on values
  bool clipped = false;      // inputs and outputs of every product of a layer stay within saved bounds (Gemma 4)
  float qk_norm_eps = 0.0f;  // 0: norm_eps
  std::vector<int> windowed_layers = {};  // layers that attend within windows of `window` cells per side (Qwen2.5-VL)
  int window = 0;                         // cells of the projector per side of a window
  // Layers whose outputs the projector reads, side by side; layer -1 is the embedding. Empty: the last one.
  std::vector<int> feature_layers = {};
  bool class_features = false;  // the projector sees the class tokens as well, in front of the patches

  int key_value_heads() const { return kv_heads == 0 ? heads : kv_heads; }
  // Rows of the queries, keys and values of all heads together.
  int64_t qkv_width() const { return (int64_t{heads} + 2 * key_value_heads()) * head_dim; }

  // Patches
  int channels = 3;
  bool centred_pixels = false;  // 2 (x - 1/2) in front of the patch embedding (Gemma 4)
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
  std::optional<GridResample> tf4_resample = {};  // under --compat tf4, where transformers 4.57 did otherwise
  int64_t learned_axis_rows =
      0;  // rows of each of two tables, of columns and of rows, that are added (Gemma 4); 0: none
  TowerRotary rotary = TowerRotary::none;
  double rotary_theta = 10000.0;

  std::optional<CanvasSpec> canvas = {};  // where the tower reads all tiles of a picture at once

  ProjectorSpec projector;
  FeatureArrangement arrangement = FeatureArrangement::tiles_in_order;  // of images
  FeatureArrangement video_arrangement = FeatureArrangement::tiles_in_order;
  int most_tiles = 0;                    // a picture gets at most the cells of so many tiles (unpadded_or_whole)
  std::vector<DeepStackSpec> deepstack;  // in the order of the decoder layers 0, 1, ... that they feed
};

}  // namespace azimuth
