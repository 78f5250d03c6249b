// OPT (arXiv 2205.01068; transformers: OPTConfig): layer norms in front of or behind each half of a layer, learned
// positions, ReLU, and projections around the embeddings where these are narrower.
#include <algorithm>
#include <cmath>

#include "models/parts/config_keys.h"
#include "models/parts/text_only.h"
#include "models/parts/weight_names.h"
#include "models/registry.h"

namespace azimuth::models {
namespace {

constexpr int64_t kMaxWidth = int64_t{1} << 20;
constexpr int64_t kPositionOffset = 2;  // rows in front of position 0; fairseq counted padding there
constexpr float kNormEps = 1e-5f;       // nn.LayerNorm's own

Result<LayerSpec> read_layer(const JsonView& config, int64_t hidden) {
  LayerSpec layer;
  AZ_ASSIGN_OR_RETURN(const int64_t heads, config.integer_or("num_attention_heads", 12, 1, 4096));
  AZ_ASSIGN_OR_RETURN(const int64_t intermediate, config.integer_or("ffn_dim", 3072, 1, kMaxWidth));
  AZ_ASSIGN_OR_RETURN(const bool bias, config.boolean_or("enable_bias", true));
  AZ_ASSIGN_OR_RETURN(const bool norm_before, config.boolean_or("do_layer_norm_before", true));
  if (hidden % heads != 0) {
    return invalid_argument(config.where() + " expected hidden_size to be a multiple of num_attention_heads, found " +
                            std::to_string(hidden) + " and " + std::to_string(heads));
  }
  layer.heads = layer.kv_heads = static_cast<int>(heads);
  layer.head_dim = layer.value_dim = static_cast<int>(hidden / heads);
  layer.attention_scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(layer.head_dim)));
  layer.qkv_bias = layer.output_bias = layer.mlp_bias = bias;
  AZ_ASSIGN_OR_RETURN(const bool norm_weights, config.boolean_or("layer_norm_elementwise_affine", true));
  layer.norm = norm_weights ? NormKind::layer : NormKind::plain_layer;
  layer.norm_eps = kNormEps;
  layer.norms_behind = !norm_before;
  layer.mlp = MlpKind::plain;
  layer.intermediate = static_cast<int>(intermediate);
  AZ_ASSIGN_OR_RETURN(layer.activation, read_activation(config, "activation_function", "relu"));
  return layer;
}

// What other position policies turn, where they are asked for: the whole head.
RopeSpec whole_head(const LayerSpec& layer) {
  RopeSpec rope;
  rope.rotary_dim = layer.head_dim / 2 * 2;
  return rope;
}

Result<TextSpec> read_text(const JsonView& config) {
  TextSpec text;
  AZ_ASSIGN_OR_RETURN(text.vocab, config.integer_or("vocab_size", 50272, 1, int64_t{1} << 24));
  AZ_ASSIGN_OR_RETURN(const int64_t hidden, config.integer_or("hidden_size", 768, 1, kMaxWidth));
  AZ_ASSIGN_OR_RETURN(const int64_t layers, config.integer_or("num_hidden_layers", 12, 1, 1024));
  AZ_ASSIGN_OR_RETURN(const int64_t embedding, config.integer_or("word_embed_proj_dim", hidden, 1, kMaxWidth));
  AZ_ASSIGN_OR_RETURN(text.context_length, config.integer_or("max_position_embeddings", 2048, 1, int64_t{1} << 32));
  AZ_ASSIGN_OR_RETURN(text.tied_head, config.boolean_or("tie_word_embeddings", true));
  AZ_ASSIGN_OR_RETURN(const bool no_final_norm, config.boolean_or("_remove_final_layer_norm", false));
  AZ_ASSIGN_OR_RETURN(const LayerSpec layer, read_layer(config, hidden));
  text.hidden = static_cast<int>(hidden);
  if (embedding != hidden) text.input_width = static_cast<int>(embedding);
  text.layers.assign(static_cast<size_t>(layers), layer);
  text.final_norm = layer.norms_behind || no_final_norm ? NormKind::none : layer.norm;
  text.final_norm_eps = kNormEps;
  text.ropes = {whole_head(layer)};
  text.learned_positions = text.context_length + kPositionOffset;
  text.policy = "learned:offset=" + std::to_string(kPositionOffset);
  return text;
}

void add_weights(const TextSpec& text, const std::vector<std::string>& prefixes, const std::vector<std::string>& heads,
                 WeightMap& map) {
  std::vector<std::string> inner;
  for (const std::string& prefix : prefixes) inner.push_back(prefix + "decoder.");
  const NameSet names(inner);
  const int64_t hidden = text.hidden;
  const int64_t embedding = text.input_width > 0 ? text.input_width : hidden;
  const auto add_norm = [&](NormKind kind, const std::string& slot, const std::string& name) {
    if (kind == NormKind::layer) names.add_norm(map, slot, name, hidden);
  };
  names.add(map, "decoder.embedding", "embed_tokens.weight", {text.vocab, embedding});
  names.add(map, "decoder.positions", "embed_positions.weight", {text.learned_positions, hidden});
  map.add("decoder.head", {heads, {text.vocab, embedding}, Transform::none, text.tied_head});
  if (text.input_width > 0) {
    names.add_linear(map, "decoder.input_projection", "project_in", hidden, embedding, false);
    names.add_linear(map, "decoder.output_projection", "project_out", embedding, hidden, false);
  }
  add_norm(text.final_norm, "decoder.final_norm", "final_layer_norm");
  for (size_t i = 0; i < text.layers.size(); ++i) {
    const LayerSpec& layer = text.layers[i];
    const std::string slot = "decoder.layers." + std::to_string(i) + ".";
    const std::string name = "layers." + std::to_string(i) + ".";
    add_norm(layer.norm, slot + "attention_norm", name + "self_attn_layer_norm");
    names.add_linear(map, slot + "query", name + "self_attn.q_proj", hidden, hidden, layer.qkv_bias);
    names.add_linear(map, slot + "key", name + "self_attn.k_proj", hidden, hidden, layer.qkv_bias);
    names.add_linear(map, slot + "value", name + "self_attn.v_proj", hidden, hidden, layer.qkv_bias);
    names.add_linear(map, slot + "output", name + "self_attn.out_proj", hidden, hidden, layer.output_bias);
    add_norm(layer.norm, slot + "mlp_norm", name + "final_layer_norm");
    names.add_linear(map, slot + "up", name + "fc1", layer.intermediate, hidden, layer.mlp_bias);
    names.add_linear(map, slot + "down", name + "fc2", hidden, layer.intermediate, layer.mlp_bias);
  }
}

Result<ModelSpec> read_model(const JsonView& config) {
  return read_text_only(config, "opt", "GPT2Tokenizer");
}

}  // namespace

TextPart opt_text() {
  return {"opt", read_text, add_weights};
}
Family opt() {
  return {"opt", read_model, "opt-2.7b",
          R"({"model_type": "opt", "hidden_size": 2560, "num_hidden_layers": 32, "num_attention_heads": 32,
              "ffn_dim": 10240, "max_position_embeddings": 2048, "word_embed_proj_dim": 2560, "vocab_size": 50272})"};
}

}  // namespace azimuth::models
