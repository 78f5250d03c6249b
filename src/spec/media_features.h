// What the decoder gets for one image or one video: features from the tower, or from anywhere else.
#pragma once

#include <vector>

#include "azimuth/prompt.h"
#include "tensor/tensor.h"

namespace azimuth {

struct MediaFeatures {
  Grid grid;                      // cells after merging
  Tensor features;                // [cells, decoder hidden]
  std::vector<Tensor> deepstack;  // per level [cells, decoder hidden]
};

}  // namespace azimuth
