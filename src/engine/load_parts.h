// Fills the weights of tower and decoder from a checkpoint.
#pragma once

#include "decoder/decoder.h"
#include "engine/weights.h"
#include "vision/tower.h"

namespace azimuth::engine {

Result<decoder::DecoderWeights> load_decoder_weights(const TextSpec& spec, WeightReader& reader);
Result<vision::TowerWeights> load_tower_weights(const VisionSpec& spec, WeightReader& reader);

}  // namespace azimuth::engine
