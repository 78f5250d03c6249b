// Qwen2-VL (arXiv 2409.12191; transformers: Qwen2VLConfig): a tower with 2-D rotary and quick_gelu, and the Qwen2
// decoder with M-RoPE in contiguous sections.
#include "models/parts/config_keys.h"
#include "models/parts/dense_decoder.h"
#include "models/parts/qwen_tower.h"
#include "models/parts/qwen_vl.h"
#include "models/registry.h"

namespace azimuth::models {
namespace {

Result<TextSpec> read_text(const JsonView& config) {
  return read_dense_decoder(config, {.vocab = 152064,
                                     .hidden = 8192,
                                     .intermediate = 29568,
                                     .layers = 80,
                                     .heads = 64,
                                     .kv_heads = 8,
                                     .context = 32768,
                                     .theta = 1000000.0,
                                     .norm_eps = 1e-5,
                                     .qkv_bias = true,
                                     .reads_attention_bias = false,
                                     .sliding_window = true,
                                     .full_layers = 80,
                                     .policy = "mrope",
                                     .section = {16, 24, 24}});
}

Result<VisionSpec> read_vision(const JsonView& config) {
  AZ_ASSIGN_OR_RETURN(
      VisionSpec vision,
      read_qwen_tower(config, {.hidden = "embed_dim", .default_hidden = 1280, .output = "hidden_size"}));
  AZ_ASSIGN_OR_RETURN(const int64_t ratio, config.integer_or("mlp_ratio", 4, 1, 64));
  vision.intermediate = vision.hidden * static_cast<int>(ratio);
  AZ_ASSIGN_OR_RETURN(vision.activation, read_activation(config, "hidden_act", "quick_gelu"));
  return vision;
}

Result<ModelSpec> read_model(const JsonView& config) {
  return read_qwen_vl(config, {.text = "qwen2_vl_text",
                               .tower = "qwen2_vl_vision",
                               .output = "hidden_size",
                               .flat = true,
                               .video = PromptExpansion::per_cell,
                               .text_prefixes = {"model.language_model.", "model.", "language_model."}});
}

}  // namespace

TextPart qwen2_vl_text() {
  return {"qwen2_vl_text", read_text, add_dense_decoder_weights};
}
VisionPart qwen2_vl_vision() {
  return {"qwen2_vl_vision", read_vision, add_qwen_tower_weights};
}
Family qwen2_vl() {
  return {"qwen2_vl", read_model, "Qwen2-VL-7B",
          R"({"model_type": "qwen2_vl", "hidden_size": 3584, "num_hidden_layers": 28, "num_attention_heads": 28,
              "num_key_value_heads": 4, "max_position_embeddings": 32768, "rope_theta": 1000000.0,
              "rope_scaling": {"type": "mrope", "mrope_section": [16, 24, 24]},
              "vision_config": {"hidden_size": 3584}})"};
}

}  // namespace azimuth::models
