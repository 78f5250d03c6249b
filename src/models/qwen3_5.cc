// Qwen3.5 (transformers: Qwen3_5Config): most decoder layers are linear attention (gated delta rule), every fourth one
// attends, with a sigmoid gate behind the values and interleaved M-RoPE over a share of the head; Qwen3-VL's tower
// without DeepStack.
#include "models/parts/config_keys.h"
#include "models/parts/dense_decoder.h"
#include "models/parts/qwen_vl.h"
#include "models/parts/text_only.h"
#include "models/registry.h"

namespace azimuth::models {
namespace {

constexpr int64_t kMaxHeads = 4096;

Result<LinearAttentionSpec> read_linear_attention(const JsonView& config) {
  AZ_ASSIGN_OR_RETURN(const int64_t key_heads, config.integer_or("linear_num_key_heads", 16, 1, kMaxHeads));
  AZ_ASSIGN_OR_RETURN(const int64_t value_heads, config.integer_or("linear_num_value_heads", 32, 1, kMaxHeads));
  AZ_ASSIGN_OR_RETURN(const int64_t key_dim, config.integer_or("linear_key_head_dim", 128, 1, 1024));
  AZ_ASSIGN_OR_RETURN(const int64_t value_dim, config.integer_or("linear_value_head_dim", 128, 1, 1024));
  AZ_ASSIGN_OR_RETURN(const int64_t kernel, config.integer_or("linear_conv_kernel_dim", 4, 1, 64));
  if (value_heads % key_heads != 0) {
    return invalid_argument(config.where() +
                            " expected linear_num_value_heads to be a multiple of linear_num_key_heads, found " +
                            std::to_string(value_heads) + " and " + std::to_string(key_heads));
  }
  return LinearAttentionSpec{static_cast<int>(key_heads), static_cast<int>(value_heads), static_cast<int>(key_dim),
                             static_cast<int>(value_dim), static_cast<int>(kernel)};
}

// Which layers are linear: layer_types, or all but every full_attention_interval-th.
Result<std::vector<bool>> read_linear_layers(const JsonView& config, size_t layers) {
  std::vector<bool> linear;
  if (!config.has("layer_types")) {
    AZ_ASSIGN_OR_RETURN(const int64_t interval, config.integer_or("full_attention_interval", 4, 1, 1024));
    for (size_t i = 0; i < layers; ++i) linear.push_back((i + 1) % static_cast<size_t>(interval) != 0);
    return linear;
  }
  AZ_ASSIGN_OR_RETURN(const std::vector<std::string> types, config.strings("layer_types"));
  for (const std::string& type : types) {
    if (type != "linear_attention" && type != "full_attention") {
      return unsupported(config.where() + " expected layer_types of linear_attention and full_attention, found " +
                         quote_json(type));
    }
    linear.push_back(type == "linear_attention");
  }
  if (linear.size() == layers) return linear;
  return invalid_argument(config.where() + " expected layer_types for " + std::to_string(layers) + " layers, found " +
                          std::to_string(linear.size()));
}

Result<TextSpec> read_text(const JsonView& config) {
  AZ_ASSIGN_OR_RETURN(TextSpec text, read_dense_decoder(config, {.vocab = 248320,
                                                                 .intermediate = 12288,
                                                                 .heads = 16,
                                                                 .kv_heads = 4,
                                                                 .head_dim = 256,
                                                                 .context = 32768,
                                                                 .rotary_share = 0.25,
                                                                 .qk_norm = true,
                                                                 .policy = "mrope_i",
                                                                 .section = {11, 11, 10}}));
  text.norm_plus_one = true;
  AZ_ASSIGN_OR_RETURN(const LinearAttentionSpec linear, read_linear_attention(config));
  AZ_ASSIGN_OR_RETURN(const std::vector<bool> is_linear, read_linear_layers(config, text.layers.size()));
  for (size_t i = 0; i < text.layers.size(); ++i) {
    LayerSpec& layer = text.layers[i];
    layer.query_gate = true;
    if (!is_linear[i]) continue;
    layer.mixer = MixerKind::linear_attention;
    layer.linear = linear;
    layer.rope = -1;
  }
  return text;
}

Result<ModelSpec> read_text_model(const JsonView& config) {
  return read_text_only(config, "qwen3_5_text", "Qwen3_5Tokenizer");
}

Result<ModelSpec> read_model(const JsonView& config) {
  AZ_ASSIGN_OR_RETURN(ModelSpec spec, read_qwen_vl(config, {.text = "qwen3_5_text",
                                                            .tower = "qwen3_5_vision",
                                                            .output = "out_hidden_size",
                                                            .video = PromptExpansion::timestamped_frames,
                                                            .text_prefixes = {"model.language_model.",
                                                                              "language_model.model.",
                                                                              "language_model.", "model."}}));
  spec.tokenizer_class = "Qwen3_5Tokenizer";
  return spec;
}

}  // namespace

TextPart qwen3_5_text_part() {
  return {"qwen3_5_text", read_text, add_dense_decoder_weights};
}
Family qwen3_5_text() {
  return {"qwen3_5_text", read_text_model, "Qwen3.5-9B, text",
          R"({"model_type": "qwen3_5_text", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 16,
              "num_key_value_heads": 4, "head_dim": 256, "max_position_embeddings": 262144,
              "rope_parameters": {"rope_type": "default", "rope_theta": 10000000.0, "partial_rotary_factor": 0.25,
                                  "mrope_section": [11, 11, 10], "mrope_interleaved": true}})"};
}

Family qwen3_5() {
  return {"qwen3_5", read_model, "Qwen3.5-9B",
          R"({"model_type": "qwen3_5",
              "text_config": {"model_type": "qwen3_5_text", "hidden_size": 4096, "num_hidden_layers": 32,
                              "num_attention_heads": 16, "num_key_value_heads": 4, "head_dim": 256,
                              "max_position_embeddings": 262144,
                              "rope_parameters": {"rope_type": "default", "rope_theta": 10000000.0,
                                                  "partial_rotary_factor": 0.25, "mrope_section": [11, 11, 10],
                                                  "mrope_interleaved": true}},
              "vision_config": {"model_type": "qwen3_5_vision", "out_hidden_size": 4096}})"};
}

}  // namespace azimuth::models
