// What the decoder gets for one image or one video: features from the tower, or from anywhere else.
#pragma once

#include <vector>

#include "azimuth/prompt.h"
#include "tensor/tensor.h"

namespace azimuth {

// A run of an image's or a video's features that becomes one span of the prompt: one tile, one frame, or several tiles
// put together as one picture.
struct FeatureBlock {
  Grid grid;             // cells after merging, without row suffixes
  int64_t features = 0;  // rows of features, with them
  Delivery delivery = Delivery::injected;
  int tile = 0;  // tile `tile` of `tiles`
  int tiles = 1;
  bool global_tile = false;  // shows the whole image, beside others that do not

  // Tokens of the prompt that stand for it.
  int64_t tokens() const { return delivery == Delivery::cross ? 1 : features; }
};

struct MediaFeatures {
  Grid grid;                      // cells after merging, of all blocks where they are alike
  Tensor features;                // [rows, decoder hidden], block after block
  std::vector<Tensor> deepstack;  // per level [rows, decoder hidden]
  std::vector<int64_t> arrays;    // rows of each array that the reference keeps apart (tile or image); empty: one
  int64_t filled_rows = 0;        // under Delivery::cross: rows of tiles that the picture fills; the others come last
};

}  // namespace azimuth
