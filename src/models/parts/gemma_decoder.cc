#include "models/parts/gemma_decoder.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "models/parts/config_keys.h"

namespace azimuth::models {
namespace {

constexpr double kMaxCap = 1e9;

// Gemma 1 names its activation hidden_act, and means the tanh form where early files say "gelu" (GemmaConfig); the
// others name it hidden_activation.
Result<Activation> read_gemma_activation(const JsonView& config, bool first) {
  AZ_ASSIGN_OR_RETURN(const Activation activation,
                      read_activation(config, first ? "hidden_act" : "hidden_activation", "gelu_pytorch_tanh"));
  return first && activation == Activation::gelu_erf ? Activation::gelu_tanh : activation;
}

// Which layers see everything.
Result<std::vector<bool>> read_full_layers(const JsonView& config, int full_layer_every, size_t layers) {
  std::vector<bool> full(layers);
  if (!config.has("layer_types")) {
    AZ_ASSIGN_OR_RETURN(const int64_t every, config.integer_or("sliding_window_pattern", full_layer_every, 1, 4096));
    for (size_t i = 0; i < layers; ++i) full[i] = (static_cast<int64_t>(i) + 1) % every == 0;
    return full;
  }
  AZ_ASSIGN_OR_RETURN(const std::vector<std::string> types, config.strings("layer_types"));
  if (types.size() != layers) {
    return invalid_argument(config.where() + " expected layer_types for " + std::to_string(layers) + " layers, found " +
                            std::to_string(types.size()));
  }
  for (size_t i = 0; i < layers; ++i) {
    full[i] = types[i] == "full_attention";
    if (full[i] || types[i] == "sliding_attention") continue;
    return unsupported(config.where() + " names layer type " + quote_json(types[i]) +
                       "; known are full_attention and sliding_attention");
  }
  return full;
}

// A soft cap; null is none, where the key is absent the class's own counts.
Result<float> read_cap(const JsonView& config, std::string_view key, double otherwise) {
  const auto found = config.value().find(key);
  if (found != config.value().end() && found->is_null()) return 0.0f;
  AZ_ASSIGN_OR_RETURN(const double cap, config.number_or(key, otherwise, 0.0, kMaxCap));
  return static_cast<float>(cap);
}

// Windows, post norms, scale and soft caps.
Status read_second_generation(const JsonView& config, const GemmaTraits& traits, TextSpec& text) {
  AZ_ASSIGN_OR_RETURN(const std::vector<bool> full,
                      read_full_layers(config, traits.full_layer_every, text.layers.size()));
  AZ_ASSIGN_OR_RETURN(const int64_t window, config.integer_or("sliding_window", 4096, 1, int64_t{1} << 40));
  AZ_ASSIGN_OR_RETURN(const double scalar, config.number_or("query_pre_attn_scalar", 256.0, 1e-6, 1e9));
  float cap = 0.0f;
  if (traits.reads_attention_soft_cap) {
    AZ_ASSIGN_OR_RETURN(cap, read_cap(config, "attn_logit_softcapping", traits.attention_soft_cap));
  }
  for (size_t i = 0; i < text.layers.size(); ++i) {
    LayerSpec& layer = text.layers[i];
    layer.window = full[i] ? 0 : window;
    layer.attention_scale = static_cast<float>(1.0 / std::sqrt(scalar));
    layer.attention_soft_cap = cap;
    layer.post_norms = true;
  }
  AZ_ASSIGN_OR_RETURN(text.logit_soft_cap, read_cap(config, "final_logit_softcapping", traits.logit_soft_cap));
  return ok_status();
}

}  // namespace

Result<TextSpec> read_gemma_decoder(const JsonView& config, const GemmaTraits& traits) {
  AZ_ASSIGN_OR_RETURN(TextSpec text, read_dense_decoder(config, traits.dense));
  text.norm_plus_one = true;
  text.embedding_scale = static_cast<float>(std::sqrt(static_cast<double>(text.hidden)));
  AZ_ASSIGN_OR_RETURN(text.tied_head, config.boolean_or("tie_word_embeddings", true));
  AZ_ASSIGN_OR_RETURN(const Activation activation, read_gemma_activation(config, !traits.post_norms));
  for (LayerSpec& layer : text.layers) layer.activation = activation;
  if (traits.post_norms) AZ_RETURN_IF_ERROR(read_second_generation(config, traits, text));
  return text;
}

}  // namespace azimuth::models
