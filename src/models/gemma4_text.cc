// The decoder of Gemma 4 (transformers: Gemma4TextConfig): sliding and full layers with their own heads and rotations,
// per-layer embeddings, layers that read the keys and values of earlier ones, experts beside the dense MLP.
#include <algorithm>
#include <cmath>

#include "models/parts/config_keys.h"
#include "models/parts/gemma4_weights.h"
#include "models/parts/text_only.h"
#include "models/registry.h"

namespace azimuth::models {
namespace {

constexpr int64_t kMaxWidth = int64_t{1} << 20;
constexpr int64_t kMaxHeads = 4096;
constexpr int64_t kMaxHead = 512;
constexpr int kSlidingRope = 0;
constexpr int kFullRope = 1;

Status read_count(const JsonView& config, std::string_view key, int64_t fallback, int64_t max, int& out) {
  AZ_ASSIGN_OR_RETURN(const int64_t value, config.integer_or(key, fallback, 1, max));
  out = static_cast<int>(value);
  return ok_status();
}

Result<std::vector<bool>> read_full_layers(const JsonView& config, int64_t layers) {
  std::vector<bool> full(static_cast<size_t>(layers));
  if (!config.has("layer_types")) {
    for (size_t i = 0; i < full.size(); ++i) full[i] = (i + 1) % 6 == 0;
  } else {
    AZ_ASSIGN_OR_RETURN(const std::vector<std::string> types, config.strings("layer_types"));
    if (types.size() != full.size()) {
      return invalid_argument(config.where() + " expected as many layer_types as num_hidden_layers, found " +
                              std::to_string(types.size()) + " and " + std::to_string(layers));
    }
    for (size_t i = 0; i < full.size(); ++i) {
      full[i] = types[i] == "full_attention";
      if (full[i] || types[i] == "sliding_attention") continue;
      return unsupported(config.where() + " names layer type " + quote_json(types[i]) +
                         "; known are sliding_attention and full_attention");
    }
  }
  full.back() = true;  // whatever the config says
  return full;
}

// Heads of the full layers: by global_* keys as published, or layer by layer as transformers 5 saves them.
Status read_full_heads(const JsonView& config, const std::vector<bool>& full, std::vector<LayerSpec>& layers) {
  AZ_ASSIGN_OR_RETURN(const bool own_kv_heads, config.boolean_or("attention_k_eq_v", false));
  AZ_ASSIGN_OR_RETURN(const int64_t head_dim, config.integer_or("global_head_dim", 512, 1, kMaxHead));
  AZ_ASSIGN_OR_RETURN(const int64_t kv_heads,
                      config.integer_or("num_global_key_value_heads", layers[0].kv_heads, 1, kMaxHeads));
  const bool listed = config.has("per_layer_config");
  for (size_t i = 0; i < layers.size(); ++i) {
    if (listed) {
      AZ_ASSIGN_OR_RETURN(const JsonView list, config.object("per_layer_config"));
      if (!list.has(std::to_string(i))) continue;
      AZ_ASSIGN_OR_RETURN(const JsonView own, list.object(std::to_string(i)));
      AZ_RETURN_IF_ERROR(read_count(own, "head_dim", layers[i].head_dim, kMaxHead, layers[i].head_dim));
      AZ_RETURN_IF_ERROR(read_count(own, "num_key_value_heads", layers[i].kv_heads, kMaxHeads, layers[i].kv_heads));
    } else if (full[i]) {
      layers[i].head_dim = static_cast<int>(head_dim);
      if (own_kv_heads) layers[i].kv_heads = static_cast<int>(kv_heads);
    }
  }
  for (LayerSpec& layer : layers) {
    layer.value_dim = layer.head_dim;
    if (layer.heads % layer.kv_heads == 0 && layer.head_dim % 2 == 0) continue;
    return invalid_argument(config.where() +
                            " expected num_attention_heads to be a multiple of the key-value heads and "
                            "an even head_dim, found " +
                            std::to_string(layer.heads) + ", " + std::to_string(layer.kv_heads) + " and " +
                            std::to_string(layer.head_dim));
  }
  return ok_status();
}

// What all layers share.
Result<LayerSpec> read_layer(const JsonView& config) {
  LayerSpec layer;
  AZ_RETURN_IF_ERROR(read_count(config, "num_attention_heads", 8, kMaxHeads, layer.heads));
  AZ_RETURN_IF_ERROR(read_count(config, "num_key_value_heads", 4, kMaxHeads, layer.kv_heads));
  AZ_RETURN_IF_ERROR(read_count(config, "head_dim", 256, kMaxHead, layer.head_dim));
  AZ_RETURN_IF_ERROR(read_count(config, "intermediate_size", 9216, kMaxWidth, layer.intermediate));
  AZ_ASSIGN_OR_RETURN(const double eps, config.number_or("rms_norm_eps", 1e-6, 0.0, 1.0));
  AZ_ASSIGN_OR_RETURN(layer.activation, read_activation(config, "hidden_activation", "gelu_pytorch_tanh"));
  AZ_ASSIGN_OR_RETURN(layer.qkv_bias, config.boolean_or("attention_bias", false));
  AZ_ASSIGN_OR_RETURN(const int64_t per_layer, config.integer_or("hidden_size_per_layer_input", 256, 0, kMaxWidth));
  layer.per_layer_width = static_cast<int>(per_layer);
  layer.output_bias = layer.qkv_bias;
  layer.norm_eps = static_cast<float>(eps);
  layer.attention_scale = 1.0f;
  layer.qk_norm = layer.value_norm = layer.post_norms = layer.output_scalar = true;
  return layer;
}

Status read_experts(const JsonView& config, LayerSpec& layer) {
  AZ_ASSIGN_OR_RETURN(const bool enabled, config.boolean_or("enable_moe_block", false));
  if (!enabled) return ok_status();
  MoeSpec experts;
  AZ_ASSIGN_OR_RETURN(const int64_t count, config.integer("num_experts", 1, 65536));
  AZ_ASSIGN_OR_RETURN(const int64_t chosen, config.integer("top_k_experts", 1, count));
  AZ_ASSIGN_OR_RETURN(const int64_t width, config.integer("moe_intermediate_size", 1, kMaxWidth));
  experts.experts = static_cast<int>(count);
  experts.chosen = static_cast<int>(chosen);
  experts.intermediate = static_cast<int>(width);
  experts.beside_mlp = true;
  layer.experts = experts;
  return ok_status();
}

// The last layers read the keys and values of the last layer of their kind before them.
Status share_keys(const JsonView& config, const std::vector<bool>& full, std::vector<LayerSpec>& layers) {
  const auto count = static_cast<int64_t>(layers.size());
  AZ_ASSIGN_OR_RETURN(const int64_t shared, config.integer_or("num_kv_shared_layers", 0, 0, count));
  AZ_ASSIGN_OR_RETURN(const bool double_wide, config.boolean_or("use_double_wide_mlp", false));
  for (int64_t i = count - shared; i < count; ++i) {
    LayerSpec& layer = layers[static_cast<size_t>(i)];
    for (int64_t source = 0; source < count - shared; ++source) {
      if (full[static_cast<size_t>(source)] == full[static_cast<size_t>(i)]) layer.kv_source = static_cast<int>(source);
    }
    if (layer.kv_source < 0) {
      return invalid_argument(config.where() + " expected a layer of each kind before the last num_kv_shared_layers (" +
                              std::to_string(shared) + "), whose keys those read, found none");
    }
    const LayerSpec& source = layers[static_cast<size_t>(layer.kv_source)];
    if (source.head_dim != layer.head_dim || source.kv_heads != layer.kv_heads) {
      return invalid_argument(config.where() + " expected layer " + std::to_string(i) + " to have the heads of layer " +
                              std::to_string(layer.kv_source) + ", whose keys it reads, found others");
    }
    layer.keys_are_values = false;
    if (double_wide) layer.intermediate *= 2;
  }
  return ok_status();
}

Status read_layers(const JsonView& config, TextSpec& text) {
  AZ_ASSIGN_OR_RETURN(const int64_t count, config.integer_or("num_hidden_layers", 30, 1, 1024));
  AZ_ASSIGN_OR_RETURN(const std::vector<bool> full, read_full_layers(config, count));
  AZ_ASSIGN_OR_RETURN(const int64_t window, config.integer_or("sliding_window", 512, 1));
  AZ_ASSIGN_OR_RETURN(const bool keys_are_values, config.boolean_or("attention_k_eq_v", false));
  AZ_ASSIGN_OR_RETURN(const std::string bidirectional, config.string_or("use_bidirectional_attention", ""));
  if (!bidirectional.empty() && bidirectional != "vision") {
    return unsupported(config.where() + " expected use_bidirectional_attention \"vision\" or null, found " +
                       quote_json(bidirectional) + "; such a model does not write text");
  }
  AZ_ASSIGN_OR_RETURN(LayerSpec layer, read_layer(config));
  AZ_RETURN_IF_ERROR(read_experts(config, layer));
  text.layers.assign(static_cast<size_t>(count), layer);
  for (size_t i = 0; i < text.layers.size(); ++i) {
    text.layers[i].rope = full[i] ? kFullRope : kSlidingRope;
    text.layers[i].window = full[i] ? 0 : window;
    text.layers[i].keys_are_values = full[i] && keys_are_values;
    text.layers[i].bidirectional = !full[i] && bidirectional == "vision";
  }
  AZ_RETURN_IF_ERROR(read_full_heads(config, full, text.layers));
  return share_keys(config, full, text.layers);
}

// head_dim of the layers of one kind, which share a rotation.
Result<int> head_dim_of(const JsonView& config, const TextSpec& text, int rope) {
  int head_dim = 0;
  for (const LayerSpec& layer : text.layers) {
    if (layer.rope != rope) continue;
    if (head_dim == 0) head_dim = layer.head_dim;
    if (layer.head_dim == head_dim) continue;
    return unsupported(config.where() + " expected one head_dim for all layers of a kind, found " +
                       std::to_string(head_dim) + " and " + std::to_string(layer.head_dim));
  }
  return head_dim == 0 ? text.layers[0].head_dim : head_dim;
}

Status read_ropes(const JsonView& config, TextSpec& text) {
  AZ_ASSIGN_OR_RETURN(const int sliding_dim, head_dim_of(config, text, kSlidingRope));
  AZ_ASSIGN_OR_RETURN(const int full_dim, head_dim_of(config, text, kFullRope));
  RopeSpec sliding;
  sliding.rotary_dim = sliding_dim;
  RopeSpec full;
  full.rotary_dim = full_dim;
  full.theta = 1e6;
  full.scaling = RopeScaling::proportional;
  full.rotated_share = 0.25;
  if (config.has("rope_parameters")) {
    AZ_ASSIGN_OR_RETURN(const JsonView ropes, config.object("rope_parameters"));
    if (ropes.has("sliding_attention")) {
      AZ_ASSIGN_OR_RETURN(sliding, read_layer_rope(config, "sliding_attention", sliding_dim, 10000.0));
    }
    AZ_ASSIGN_OR_RETURN(full, read_layer_rope(config, "full_attention", full_dim, 10000.0));
  }
  text.ropes = {std::move(sliding), std::move(full)};
  return ok_status();
}

Result<TextSpec> read_text(const JsonView& config) {
  TextSpec text;
  AZ_ASSIGN_OR_RETURN(text.vocab, config.integer_or("vocab_size", 262144, 1, int64_t{1} << 24));
  AZ_RETURN_IF_ERROR(read_count(config, "hidden_size", 2304, kMaxWidth, text.hidden));
  AZ_ASSIGN_OR_RETURN(text.context_length, config.integer_or("max_position_embeddings", 131072, 1));
  AZ_ASSIGN_OR_RETURN(text.tied_head, config.boolean_or("tie_word_embeddings", true));
  AZ_ASSIGN_OR_RETURN(const double soft_cap, config.number_or("final_logit_softcapping", 0.0, 0.0, 1e6));
  AZ_RETURN_IF_ERROR(read_layers(config, text));
  AZ_RETURN_IF_ERROR(read_ropes(config, text));
  text.logit_soft_cap = static_cast<float>(soft_cap);
  text.final_norm_eps = text.layers[0].norm_eps;
  text.embedding_scale = static_cast<float>(std::sqrt(static_cast<double>(text.hidden)));
  if (text.layers[0].per_layer_width > 0) {
    AZ_ASSIGN_OR_RETURN(text.per_layer_vocab,
                        config.integer_or("vocab_size_per_layer_input", 262144, 1, int64_t{1} << 24));
  }
  AZ_ASSIGN_OR_RETURN(const int64_t pad, config.integer_or("pad_token_id", 0, 0, text.vocab - 1));
  text.pad_id = static_cast<int32_t>(pad);
  return text;
}

Result<ModelSpec> read_model(const JsonView& config) {
  return read_text_only(config, "gemma4_text", "GemmaTokenizer");
}

}  // namespace

TextPart gemma4_text_part() {
  return {"gemma4_text", read_text, add_gemma4_decoder_weights};
}
Family gemma4_text() {
  return {"gemma4_text", read_model, "Gemma-4-E2B",
          R"({"model_type": "gemma4_text", "hidden_size": 1536, "num_hidden_layers": 35, "num_attention_heads": 8,
              "num_key_value_heads": 1, "head_dim": 256, "global_head_dim": 512, "max_position_embeddings": 131072})"};
}

}  // namespace azimuth::models
