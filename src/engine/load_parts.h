// Fills the weights of tower and decoder from a checkpoint.
#pragma once

#include <optional>

#include "decoder/decoder.h"
#include "engine/weights.h"
#include "spec/model_spec.h"
#include "vision/tower.h"

namespace azimuth::engine {

struct ModelWeights {
  decoder::DecoderWeights decoder;
  Tensor positions;  // learned, or empty
  std::optional<vision::TowerWeights> tower;
};

// Every slot of the model, in one fixed order.
Result<ModelWeights> load_model_weights(const ModelSpec& spec, WeightReader& reader);

}  // namespace azimuth::engine
