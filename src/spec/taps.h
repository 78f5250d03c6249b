// The taps of the program's stages: whoever sets one sees the tensors that pass. Unset, a tap costs one comparison.
#pragma once

#include <cstdint>
#include <functional>

#include "tensor/tensor.h"

namespace azimuth {

enum class Stage : uint8_t {
  pixels,        // [patches, channels * temporal * patch * patch]
  tower_layer,   // [patches, tower hidden], output of tower layer `layer`
  features,      // [cells, decoder hidden], after the projector
  deepstack,     // [cells, decoder hidden], DeepStack level `layer`
  embeddings,    // [tokens, hidden], decoder entry
  layer_output,  // [tokens, hidden], the decoder layer's own output, before streams are added to it
  final_hidden,  // [tokens, hidden], after the last layer, before the final norm
};

struct TapPoint {
  Stage stage = Stage::pixels;
  int layer = -1;           // of tower or decoder, where the stage has layers
  int sequence = -1;        // index in the batch of a decoder stage
  int64_t first_token = 0;  // cache index of the first row of a decoder stage
};

using Tap = std::function<void(const TapPoint& point, const TensorView& tensor)>;

}  // namespace azimuth
