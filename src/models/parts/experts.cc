#include "models/parts/experts.h"

#include <algorithm>

namespace azimuth::models {

Status read_experts(const JsonView& config, const ExpertTraits& traits, TextSpec& text) {
  MoeSpec moe;
  AZ_ASSIGN_OR_RETURN(const int64_t local, config.integer_or("num_local_experts", traits.experts, 0, 1 << 16));
  AZ_ASSIGN_OR_RETURN(const int64_t experts, config.integer_or("num_experts", local, 0, 1 << 16));
  AZ_ASSIGN_OR_RETURN(const int64_t chosen, config.integer_or("num_experts_per_tok", traits.chosen, 1, 1 << 16));
  AZ_ASSIGN_OR_RETURN(const int64_t inner,
                      config.integer_or("moe_intermediate_size", traits.intermediate, 1, int64_t{1} << 20));
  AZ_ASSIGN_OR_RETURN(const int64_t step, config.integer_or("decoder_sparse_step", 1, 1, 1024));
  std::vector<int64_t> dense;
  if (config.has("mlp_only_layers")) {
    AZ_ASSIGN_OR_RETURN(dense, config.integers("mlp_only_layers", 0, 1024));
  }
  int64_t shared = 0;
  if (traits.shared_intermediate > 0) {
    AZ_ASSIGN_OR_RETURN(
        shared, config.integer_or("shared_expert_intermediate_size", traits.shared_intermediate, 1, int64_t{1} << 20));
  }
  if (experts == 0) return ok_status();
  if (chosen > experts) {
    return invalid_argument(config.where() + " expected num_experts_per_tok of at most num_experts, found " +
                            std::to_string(chosen) + " and " + std::to_string(experts));
  }
  moe.experts = static_cast<int>(experts);
  moe.chosen = static_cast<int>(chosen);
  moe.intermediate = static_cast<int>(inner);
  moe.shared_intermediate = static_cast<int>(shared);
  for (size_t i = 0; i < text.layers.size(); ++i) {
    const auto layer = static_cast<int64_t>(i);
    if ((layer + 1) % step == 0 && std::ranges::find(dense, layer) == dense.end()) text.layers[i].experts = moe;
  }
  return ok_status();
}

void add_expert_weights(const LayerSpec& layer, int64_t hidden, const std::string& slot, const std::string& name,
                        const NameSet& names, WeightMap& map) {
  const int64_t experts = layer.experts->experts;
  const int64_t inner = layer.experts->intermediate;
  const auto add_matrices = [&](const std::string& to, const std::string& from, int64_t outputs, int64_t inputs) {
    WeightRule rule = names.rule(from, {experts, outputs, inputs});
    rule.other_shape = {experts, inputs, outputs};
    rule.other_transform = Transform::transpose_last;
    map.add(to, std::move(rule));
  };
  names.add(map, slot + "router.weight", name + "mlp.gate.weight", {experts, hidden});
  add_matrices(slot + "experts.gate_up", name + "mlp.experts.gate_up_proj", 2 * inner, hidden);
  add_matrices(slot + "experts.down", name + "mlp.experts.down_proj", hidden, inner);
  const int64_t shared = layer.experts->shared_intermediate;
  if (shared == 0) return;
  names.add_linear(map, slot + "shared.router", name + "mlp.shared_expert_gate", 1, hidden, false);
  names.add_linear(map, slot + "shared.gate", name + "mlp.shared_expert.gate_proj", shared, hidden, false);
  names.add_linear(map, slot + "shared.up", name + "mlp.shared_expert.up_proj", shared, hidden, false);
  names.add_linear(map, slot + "shared.down", name + "mlp.shared_expert.down_proj", hidden, shared, false);
}

}  // namespace azimuth::models
