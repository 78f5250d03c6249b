#include "models/parts/gemma4_weights.h"

#include "models/parts/weight_names.h"

namespace azimuth::models {
namespace {

void add_attention_weights(const LayerSpec& layer, int64_t hidden, const std::string& slot, const std::string& name,
                           const NameSet& names, WeightMap& map) {
  const int64_t query = int64_t{layer.heads} * layer.head_dim;
  const int64_t key = int64_t{layer.kv_heads} * layer.head_dim;
  names.add_linear(map, slot + "query", name + "self_attn.q_proj", query, hidden, layer.qkv_bias);
  names.add_linear(map, slot + "output", name + "self_attn.o_proj", hidden, query, layer.output_bias);
  names.add(map, slot + "query_norm", name + "self_attn.q_norm.weight", {layer.head_dim});
  if (layer.kv_source >= 0) return;  // files may hold keys and values of such a layer, which nothing reads
  names.add_linear(map, slot + "key", name + "self_attn.k_proj", key, hidden, layer.qkv_bias);
  names.add(map, slot + "key_norm", name + "self_attn.k_norm.weight", {layer.head_dim});
  if (!layer.keys_are_values) {
    names.add_linear(map, slot + "value", name + "self_attn.v_proj", key, hidden, layer.qkv_bias);
  }
}

void add_expert_weights(const LayerSpec& layer, int64_t hidden, const std::string& slot, const std::string& name,
                        const NameSet& names, WeightMap& map) {
  const int64_t experts = layer.experts->experts;
  const int64_t width = layer.experts->intermediate;
  names.add(map, slot + "dense_post_norm", name + "post_feedforward_layernorm_1.weight", {hidden});
  names.add(map, slot + "experts_norm", name + "pre_feedforward_layernorm_2.weight", {hidden});
  names.add(map, slot + "experts_post_norm", name + "post_feedforward_layernorm_2.weight", {hidden});
  names.add(map, slot + "router_norm", name + "router.scale", {hidden});
  names.add(map, slot + "router.weight", name + "router.proj.weight", {experts, hidden});
  names.add(map, slot + "expert_scale", name + "router.per_expert_scale", {experts});
  names.add(map, slot + "experts.gate_up", name + "experts.gate_up_proj", {experts, 2 * width, hidden});
  names.add(map, slot + "experts.down", name + "experts.down_proj", {experts, hidden, width});
}

void add_layer_weights(const LayerSpec& layer, int64_t hidden, const std::string& slot, const std::string& name,
                       const NameSet& names, WeightMap& map) {
  add_attention_weights(layer, hidden, slot, name, names, map);
  names.add(map, slot + "attention_norm", name + "input_layernorm.weight", {hidden});
  names.add(map, slot + "attention_post_norm", name + "post_attention_layernorm.weight", {hidden});
  names.add(map, slot + "mlp_norm", name + "pre_feedforward_layernorm.weight", {hidden});
  names.add(map, slot + "mlp_post_norm", name + "post_feedforward_layernorm.weight", {hidden});
  names.add_linear(map, slot + "gate", name + "mlp.gate_proj", layer.intermediate, hidden, false);
  names.add_linear(map, slot + "up", name + "mlp.up_proj", layer.intermediate, hidden, false);
  names.add_linear(map, slot + "down", name + "mlp.down_proj", hidden, layer.intermediate, false);
  names.add(map, slot + "output_scalar", name + "layer_scalar", {1});
  if (layer.experts) add_expert_weights(layer, hidden, slot, name, names, map);
  if (layer.per_layer_width == 0) return;
  names.add_linear(map, slot + "per_layer_gate", name + "per_layer_input_gate", layer.per_layer_width, hidden, false);
  names.add_linear(map, slot + "per_layer_output", name + "per_layer_projection", hidden, layer.per_layer_width, false);
  names.add(map, slot + "per_layer_post_norm", name + "post_per_layer_input_norm.weight", {hidden});
}

}  // namespace

void add_gemma4_decoder_weights(const TextSpec& text, const std::vector<std::string>& prefixes,
                                const std::vector<std::string>& heads, WeightMap& map) {
  const NameSet names(prefixes);
  const int64_t hidden = text.hidden;
  names.add(map, "decoder.embedding", "embed_tokens.weight", {text.vocab, hidden});
  names.add(map, "decoder.final_norm", "norm.weight", {hidden});
  map.add("decoder.head", {heads, {text.vocab, hidden}, Transform::none, text.tied_head});
  const auto layers = static_cast<int64_t>(text.layers.size());
  for (int64_t i = 0; i < layers; ++i) {
    const std::string number = std::to_string(i) + ".";
    add_layer_weights(text.layers[static_cast<size_t>(i)], hidden, "decoder.layers." + number, "layers." + number,
                      names, map);
  }
  if (text.per_layer_vocab == 0) return;
  const int64_t width = text.layers[0].per_layer_width;
  names.add(map, "decoder.per_layer_embedding", "embed_tokens_per_layer.weight",
            {text.per_layer_vocab, layers * width});
  names.add_linear(map, "decoder.per_layer_projection", "per_layer_model_projection", layers * width, hidden, false);
  names.add(map, "decoder.per_layer_norm", "per_layer_projection_norm.weight", {width});
}

}  // namespace azimuth::models
