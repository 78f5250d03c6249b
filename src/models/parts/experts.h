// Decoder layers with experts, as the configs and files of Qwen's MoE models spell them.
#pragma once

#include <string>

#include "azimuth/status.h"
#include "base/json.h"
#include "models/parts/weight_names.h"
#include "spec/text_spec.h"

namespace azimuth::models {

// What a config class has where the config says nothing.
struct ExpertTraits {
  int64_t experts = 60;
  int64_t chosen = 4;
  int64_t intermediate = 1408;
  int64_t shared_intermediate = 0;  // 0: the class has no expert that all tokens share
};

// Gives experts to the layers that have them: every decoder_sparse_step-th, but for mlp_only_layers.
// Errors: more experts per token than there are.
Status read_experts(const JsonView& config, const ExpertTraits& traits, TextSpec& text);

// Slots of the router and the experts of one layer. Files have the experts' matrices as transformers 5 keeps them,
// [experts, outputs, inputs], or, as published, with rows and columns exchanged.
void add_expert_weights(const LayerSpec& layer, int64_t hidden, const std::string& slot, const std::string& name,
                        const NameSet& names, WeightMap& map);

}  // namespace azimuth::models
