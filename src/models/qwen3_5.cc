// Qwen3.5 (transformers: Qwen3_5Config): most decoder layers are linear attention (gated delta rule), every fourth one
// attends, with a sigmoid gate behind the values and interleaved M-RoPE over a share of the head; Qwen3-VL's tower
// without DeepStack.
#include "models/parts/hybrid_decoder.h"
#include "models/parts/qwen_vl.h"
#include "models/parts/text_only.h"
#include "models/registry.h"

namespace azimuth::models {
namespace {

Result<TextSpec> read_text(const JsonView& config) {
  return read_hybrid_decoder(config, {.vocab = 248320,
                                      .intermediate = 12288,
                                      .heads = 16,
                                      .kv_heads = 4,
                                      .head_dim = 256,
                                      .context = 32768,
                                      .rotary_share = 0.25,
                                      .qk_norm = true,
                                      .policy = "mrope_i",
                                      .section = {11, 11, 10}});
}

Result<ModelSpec> read_text_model(const JsonView& config) {
  return read_text_only(config, "qwen3_5_text", "Qwen3_5Tokenizer");
}

Result<ModelSpec> read_model(const JsonView& config) {
  return read_qwen_vl(config, {.text = "qwen3_5_text",
                               .tower = "qwen3_5_vision",
                               .output = "out_hidden_size",
                               .tokenizer = "Qwen3_5Tokenizer"});
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
