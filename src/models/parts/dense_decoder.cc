#include "models/parts/dense_decoder.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "models/parts/config_keys.h"
#include "models/parts/experts.h"
#include "models/parts/weight_names.h"

namespace azimuth::models {
namespace {

constexpr int64_t kMaxWidth = int64_t{1} << 20;

// Window of each layer; 0 where the layer sees everything.
Result<std::vector<int64_t>> read_windows(const JsonView& config, const DenseTraits& traits, int64_t layers) {
  std::vector<int64_t> windows(static_cast<size_t>(layers), 0);
  if (traits.window_of_all > 0 && config.value().contains("sliding_window") && !config.has("sliding_window")) {
    return windows;  // null
  }
  if (traits.window_of_all > 0) {
    AZ_ASSIGN_OR_RETURN(const int64_t window,
                        config.integer_or("sliding_window", traits.window_of_all, 1, int64_t{1} << 40));
    std::ranges::fill(windows, window);
    return windows;
  }
  if (!traits.sliding_window) return windows;
  AZ_ASSIGN_OR_RETURN(const bool use_window, config.boolean_or("use_sliding_window", false));
  if (!use_window) return windows;
  AZ_ASSIGN_OR_RETURN(const int64_t window, config.integer_or("sliding_window", 4096, 1, int64_t{1} << 40));
  if (config.has("layer_types")) {
    AZ_ASSIGN_OR_RETURN(const std::vector<std::string> types, config.strings("layer_types"));
    if (static_cast<int64_t>(types.size()) != layers) {
      return invalid_argument(config.where() + " expected layer_types for " + std::to_string(layers) +
                              " layers, found " + std::to_string(types.size()));
    }
    for (size_t i = 0; i < types.size(); ++i) windows[i] = types[i] == "sliding_attention" ? window : 0;
    return windows;
  }
  AZ_ASSIGN_OR_RETURN(const int64_t first, config.integer_or("max_window_layers", traits.full_layers, 0, kMaxWidth));
  for (int64_t i = first; i < layers; ++i) windows[static_cast<size_t>(i)] = window;
  return windows;
}

Result<LayerSpec> read_layer(const JsonView& config, const DenseTraits& traits, int64_t hidden) {
  LayerSpec layer;
  AZ_ASSIGN_OR_RETURN(const int64_t heads, config.integer_or("num_attention_heads", traits.heads, 1, 4096));
  const int64_t default_kv = traits.kv_heads == 0 ? heads : traits.kv_heads;
  AZ_ASSIGN_OR_RETURN(const int64_t kv_heads, config.integer_or("num_key_value_heads", default_kv, 1, 4096));
  const int64_t default_dim = traits.head_dim == 0 ? hidden / heads : traits.head_dim;
  AZ_ASSIGN_OR_RETURN(const int64_t head_dim, config.integer_or("head_dim", default_dim, 2, 512));
  if (heads % kv_heads != 0 || head_dim % 2 != 0) {
    return invalid_argument(
        config.where() + " expected num_attention_heads divisible by num_key_value_heads and an even head_dim, found " +
        std::to_string(heads) + " heads, " + std::to_string(kv_heads) + " key-value heads, head_dim " +
        std::to_string(head_dim));
  }
  layer.heads = static_cast<int>(heads);
  layer.kv_heads = static_cast<int>(kv_heads);
  layer.head_dim = layer.value_dim = static_cast<int>(head_dim);
  layer.attention_scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(head_dim)));
  bool attention_bias = false;
  if (traits.reads_attention_bias) {
    AZ_ASSIGN_OR_RETURN(attention_bias, config.boolean_or("attention_bias", false));
  }
  layer.qkv_bias = traits.qkv_bias || attention_bias;
  layer.output_bias = attention_bias;
  layer.qk_norm = traits.qk_norm;
  AZ_ASSIGN_OR_RETURN(const double eps, config.number_or("rms_norm_eps", traits.norm_eps, 0.0, 1.0));
  layer.norm_eps = static_cast<float>(eps);
  AZ_ASSIGN_OR_RETURN(const int64_t intermediate,
                      config.integer_or("intermediate_size", traits.intermediate, 1, kMaxWidth));
  layer.intermediate = static_cast<int>(intermediate);
  AZ_ASSIGN_OR_RETURN(layer.activation, read_activation(config, "hidden_act", "silu"));
  if (traits.reads_mlp_bias) {
    AZ_ASSIGN_OR_RETURN(layer.mlp_bias, config.boolean_or("mlp_bias", false));
  }
  return layer;
}

// Channels of a head that turn: all, or a share of classes that know one.
Result<int> read_rotary_dim(const JsonView& config, int head_dim, double default_share) {
  if (default_share == 1.0) return head_dim;
  constexpr std::string_view kKey = "partial_rotary_factor";
  AZ_ASSIGN_OR_RETURN(double share, config.number_or(kKey, default_share, 0.0, 1.0));
  for (const std::string_view place : {"rope_scaling", "rope_parameters"}) {
    if (!config.has(place)) continue;
    AZ_ASSIGN_OR_RETURN(const JsonView params, config.object(place));
    AZ_ASSIGN_OR_RETURN(share, params.number_or(kKey, share, 0.0, 1.0));
  }
  const int rotary_dim = static_cast<int>(head_dim * share);
  if (rotary_dim >= 2 && rotary_dim % 2 == 0) return rotary_dim;
  return invalid_argument(config.where() + " expected partial_rotary_factor to leave an even number of channels of " +
                          std::to_string(head_dim) + ", found " + std::to_string(share));
}

}  // namespace

Result<TextSpec> read_dense_decoder(const JsonView& config, const DenseTraits& traits) {
  TextSpec text;
  AZ_ASSIGN_OR_RETURN(text.vocab, config.integer_or("vocab_size", traits.vocab, 1, int64_t{1} << 24));
  AZ_ASSIGN_OR_RETURN(const int64_t hidden, config.integer_or("hidden_size", traits.hidden, 1, kMaxWidth));
  text.hidden = static_cast<int>(hidden);
  AZ_ASSIGN_OR_RETURN(const int64_t layers, config.integer_or("num_hidden_layers", traits.layers, 1, 1024));
  AZ_ASSIGN_OR_RETURN(const LayerSpec layer, read_layer(config, traits, hidden));
  AZ_ASSIGN_OR_RETURN(const std::vector<int64_t> windows, read_windows(config, traits, layers));
  text.layers.assign(static_cast<size_t>(layers), layer);
  for (size_t i = 0; i < text.layers.size(); ++i) text.layers[i].window = windows[i];
  text.final_norm_eps = layer.norm_eps;
  AZ_ASSIGN_OR_RETURN(text.context_length,
                      config.integer_or("max_position_embeddings", traits.context, 1, int64_t{1} << 40));
  AZ_ASSIGN_OR_RETURN(text.tied_head, config.boolean_or("tie_word_embeddings", false));
  AZ_ASSIGN_OR_RETURN(const int rotary_dim, read_rotary_dim(config, layer.head_dim, traits.rotary_share));
  AZ_ASSIGN_OR_RETURN(RopeSpec rope, read_rope(config, rotary_dim, traits.theta, traits.section));
  // The dynamic kinds name the length that they grow from.
  if (rope.scaling == RopeScaling::dynamic || rope.scaling == RopeScaling::dynamic_linear) {
    text.context_length = static_cast<int64_t>(static_cast<double>(text.context_length) * std::max(1.0, rope.factor));
  }
  text.ropes.push_back(std::move(rope));
  text.policy = traits.policy;
  return text;
}

namespace {

void add_attention_weights(const LayerSpec& layer, int64_t hidden, const std::string& slot, const std::string& name,
                           const NameSet& names, WeightMap& map) {
  const int64_t query = int64_t{layer.heads} * layer.head_dim * (layer.query_gate ? 2 : 1);
  const int64_t key = int64_t{layer.kv_heads} * layer.head_dim;
  const int64_t value = int64_t{layer.kv_heads} * layer.value_dim;
  const int64_t attended = int64_t{layer.heads} * layer.value_dim;
  names.add_linear(map, slot + "query", name + "q_proj", query, hidden, layer.qkv_bias);
  names.add_linear(map, slot + "key", name + "k_proj", key, hidden, layer.qkv_bias);
  names.add_linear(map, slot + "value", name + "v_proj", value, hidden, layer.qkv_bias);
  names.add_linear(map, slot + "output", name + "o_proj", hidden, attended, layer.output_bias);
  if (!layer.qk_norm) return;
  names.add(map, slot + "query_norm", name + "q_norm.weight", {layer.head_dim});
  names.add(map, slot + "key_norm", name + "k_norm.weight", {layer.head_dim});
}

void add_linear_attention_weights(const LinearAttentionSpec& spec, int64_t hidden, const std::string& slot,
                                  const std::string& name, const NameSet& names, WeightMap& map) {
  const int64_t values = int64_t{spec.value_heads} * spec.value_dim;
  const int64_t channels = 2 * int64_t{spec.key_heads} * spec.key_dim + values;
  names.add_linear(map, slot + "mixed", name + "in_proj_qkv", channels, hidden, false);
  names.add_linear(map, slot + "gate", name + "in_proj_z", values, hidden, false);
  names.add_linear(map, slot + "write", name + "in_proj_b", spec.value_heads, hidden, false);
  names.add_linear(map, slot + "decay", name + "in_proj_a", spec.value_heads, hidden, false);
  names.add(map, slot + "convolution", name + "conv1d.weight", {channels, 1, spec.kernel}, Transform::transpose);
  names.add(map, slot + "decay_rate", name + "A_log", {spec.value_heads});
  names.add(map, slot + "decay_bias", name + "dt_bias", {spec.value_heads});
  names.add(map, slot + "norm", name + "norm.weight", {spec.value_dim});
  names.add_linear(map, slot + "output", name + "out_proj", hidden, values, false);
}

}  // namespace

void add_dense_decoder_weights(const TextSpec& text, const std::vector<std::string>& prefixes,
                               const std::vector<std::string>& heads, WeightMap& map) {
  const int64_t hidden = text.hidden;
  const NameSet names(prefixes);
  names.add(map, "decoder.embedding", "embed_tokens.weight", {text.vocab, hidden});
  names.add(map, "decoder.final_norm", "norm.weight", {hidden});
  map.add("decoder.head", {heads, {text.vocab, hidden}, Transform::none, text.tied_head});
  for (size_t i = 0; i < text.layers.size(); ++i) {
    const LayerSpec& layer = text.layers[i];
    const std::string slot = "decoder.layers." + std::to_string(i) + ".";
    const std::string name = "layers." + std::to_string(i) + ".";
    names.add(map, slot + "attention_norm", name + "input_layernorm.weight", {hidden});
    if (layer.mixer == MixerKind::linear_attention) {
      add_linear_attention_weights(*layer.linear, hidden, slot + "linear.", name + "linear_attn.", names, map);
    } else {
      add_attention_weights(layer, hidden, slot, name + "self_attn.", names, map);
    }
    if (layer.post_norms) {
      names.add(map, slot + "attention_post_norm", name + "post_attention_layernorm.weight", {hidden});
      names.add(map, slot + "mlp_norm", name + "pre_feedforward_layernorm.weight", {hidden});
      names.add(map, slot + "mlp_post_norm", name + "post_feedforward_layernorm.weight", {hidden});
    } else {
      names.add(map, slot + "mlp_norm", name + "post_attention_layernorm.weight", {hidden});
    }
    if (layer.experts) {
      add_expert_weights(layer, hidden, slot, name, names, map);
      continue;
    }
    names.add_linear(map, slot + "gate", name + "mlp.gate_proj", layer.intermediate, hidden, layer.mlp_bias);
    names.add_linear(map, slot + "up", name + "mlp.up_proj", layer.intermediate, hidden, layer.mlp_bias);
    names.add_linear(map, slot + "down", name + "mlp.down_proj", hidden, layer.intermediate, layer.mlp_bias);
  }
}

}  // namespace azimuth::models
