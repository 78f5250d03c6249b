// Qwen3-VL-MoE (arXiv 2511.21631; transformers: Qwen3VLMoeConfig): Qwen3-VL whose decoder layers send each token
// through a few of many experts.
#include "models/parts/dense_decoder.h"
#include "models/parts/experts.h"
#include "models/parts/qwen_vl.h"
#include "models/registry.h"

namespace azimuth::models {
namespace {

Result<TextSpec> read_text(const JsonView& config) {
  AZ_ASSIGN_OR_RETURN(TextSpec text, read_dense_decoder(config, {.vocab = 151936,
                                                                 .hidden = 2048,
                                                                 .intermediate = 5632,
                                                                 .layers = 24,
                                                                 .heads = 16,
                                                                 .kv_heads = 16,
                                                                 .context = 128000,
                                                                 .theta = 500000.0,
                                                                 .qk_norm = true,
                                                                 .policy = "mrope_i",
                                                                 .section = {24, 20, 20}}));
  AZ_RETURN_IF_ERROR(read_experts(config, {}, text));
  return text;
}

Result<ModelSpec> read_model(const JsonView& config) {
  return read_qwen_vl(config, {.text = "qwen3_vl_moe_text", .tower = "qwen3_vl_vision", .output = "out_hidden_size"});
}

}  // namespace

TextPart qwen3_vl_moe_text() {
  return {"qwen3_vl_moe_text", read_text, add_dense_decoder_weights};
}
Family qwen3_vl_moe() {
  return {"qwen3_vl_moe", read_model, "Qwen3-VL-30B-A3B",
          R"({"model_type": "qwen3_vl_moe",
              "text_config": {"model_type": "qwen3_vl_moe_text", "hidden_size": 2048, "num_hidden_layers": 48,
                              "num_attention_heads": 32, "num_key_value_heads": 4, "head_dim": 128,
                              "moe_intermediate_size": 768, "num_experts": 128, "num_experts_per_tok": 8,
                              "max_position_embeddings": 262144, "rope_theta": 5000000.0,
                              "rope_scaling": {"rope_type": "default", "mrope_section": [24, 20, 20],
                                               "mrope_interleaved": true}},
              "vision_config": {"model_type": "qwen3_vl_moe", "out_hidden_size": 2048}})"};
}

}  // namespace azimuth::models
