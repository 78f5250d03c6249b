#include "models/parts/hybrid_decoder.h"

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

}  // namespace

Result<TextSpec> read_hybrid_decoder(const JsonView& config, const DenseTraits& traits) {
  AZ_ASSIGN_OR_RETURN(TextSpec text, read_dense_decoder(config, traits));
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

}  // namespace azimuth::models
