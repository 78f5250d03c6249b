// Weights of a perceiver resampler (Idefics2).
#pragma once

#include <vector>

#include "kernels/linear.h"
#include "tensor/tensor.h"

namespace azimuth::vision {

// Every norm is an RMS norm [width]. "width" is the decoder's.
struct PerceiverLayerWeights {
  Tensor latents_norm;
  Tensor context_norm;
  kernels::Linear query;      // [heads * head_dim, width]
  kernels::Linear key_value;  // [2 * kv_heads * head_dim, width]: keys, then values
  kernels::Linear output;     // [width, heads * head_dim]
  Tensor mlp_norm;
  kernels::Linear gate;  // [4 * width, width]
  kernels::Linear up;    // [4 * width, width]
  kernels::Linear down;  // [width, 4 * width]
};

struct PerceiverWeights {
  kernels::Linear gate;  // [inner, tower width]; the gated MLP from the tower's width to the decoder's
  kernels::Linear up;    // [inner, tower width]
  kernels::Linear down;  // [width, inner]
  Tensor latents;        // [queries, width]
  std::vector<PerceiverLayerWeights> layers;
  Tensor final_norm;
};

}  // namespace azimuth::vision
