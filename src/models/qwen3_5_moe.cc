// Qwen3.5-MoE (transformers: Qwen3_5MoeConfig): Qwen3.5 whose layers send each token through a few of many experts and
// one that all tokens share.
#include "models/parts/experts.h"
#include "models/parts/hybrid_decoder.h"
#include "models/parts/qwen_vl.h"
#include "models/registry.h"

namespace azimuth::models {
namespace {

Result<TextSpec> read_text(const JsonView& config) {
  AZ_ASSIGN_OR_RETURN(TextSpec text, read_hybrid_decoder(config, {.vocab = 248320,
                                                                  .hidden = 2048,
                                                                  .layers = 40,
                                                                  .heads = 16,
                                                                  .kv_heads = 2,
                                                                  .head_dim = 256,
                                                                  .context = 32768,
                                                                  .rotary_share = 0.25,
                                                                  .qk_norm = true,
                                                                  .policy = "mrope_i",
                                                                  .section = {11, 11, 10}}));
  AZ_RETURN_IF_ERROR(
      read_experts(config, {.experts = 256, .chosen = 8, .intermediate = 512, .shared_intermediate = 512}, text));
  return text;
}

Result<ModelSpec> read_model(const JsonView& config) {
  return read_qwen_vl(config, {.text = "qwen3_5_moe_text",
                               .tower = "qwen3_5_vision",
                               .output = "out_hidden_size",
                               .tokenizer = "Qwen3_5Tokenizer"});
}

}  // namespace

TextPart qwen3_5_moe_text() {
  return {"qwen3_5_moe_text", read_text, add_dense_decoder_weights};
}
Family qwen3_5_moe() {
  return {"qwen3_5_moe", read_model, "Qwen3.5-35B-A3B",
          R"({"model_type": "qwen3_5_moe",
              "text_config": {"model_type": "qwen3_5_moe_text", "max_position_embeddings": 262144,
                              "rope_parameters": {"rope_type": "default", "rope_theta": 10000000.0,
                                                  "partial_rotary_factor": 0.25, "mrope_section": [11, 11, 10],
                                                  "mrope_interleaved": true}},
              "vision_config": {"model_type": "qwen3_5_vision", "out_hidden_size": 2048}})"};
}

}  // namespace azimuth::models
