// Gemma 1 and 2, text only (arXiv 2403.08295, 2408.00118; transformers: GemmaConfig, Gemma2Config).
#include "models/parts/gemma_decoder.h"
#include "models/parts/text_only.h"
#include "models/registry.h"

namespace azimuth::models {
namespace {

Result<TextSpec> read_gemma_text(const JsonView& config) {
  return read_gemma_decoder(config, {.dense = {.vocab = 256000,
                                               .hidden = 3072,
                                               .intermediate = 24576,
                                               .layers = 28,
                                               .heads = 16,
                                               .kv_heads = 16,
                                               .head_dim = 256,
                                               .context = 8192}});
}

Result<TextSpec> read_gemma2_text(const JsonView& config) {
  return read_gemma_decoder(config, {.dense = {.vocab = 256000,
                                               .hidden = 2304,
                                               .intermediate = 9216,
                                               .layers = 26,
                                               .heads = 8,
                                               .kv_heads = 4,
                                               .head_dim = 256,
                                               .context = 8192},
                                     .post_norms = true,
                                     .full_layer_every = 2,
                                     .logit_soft_cap = 30.0,
                                     .attention_soft_cap = 50.0,
                                     .reads_attention_soft_cap = true});
}

Result<ModelSpec> read_gemma(const JsonView& config) {
  return read_text_only(config, "gemma", "GemmaTokenizer");
}

Result<ModelSpec> read_gemma2(const JsonView& config) {
  return read_text_only(config, "gemma2", "GemmaTokenizer");
}

}  // namespace

TextPart gemma_text() {
  return {"gemma", read_gemma_text, add_dense_decoder_weights};
}
TextPart gemma2_text() {
  return {"gemma2", read_gemma2_text, add_dense_decoder_weights};
}
Family gemma() {
  return {"gemma", read_gemma, "Gemma-7B",
          R"({"model_type": "gemma", "hidden_size": 3072, "num_hidden_layers": 28, "num_attention_heads": 16,
              "num_key_value_heads": 16, "head_dim": 256, "max_position_embeddings": 8192, "rope_theta": 10000.0})"};
}
Family gemma2() {
  return {"gemma2", read_gemma2, "Gemma-2-2B",
          R"({"model_type": "gemma2", "hidden_size": 2304, "num_hidden_layers": 26, "num_attention_heads": 8,
              "num_key_value_heads": 4, "head_dim": 256, "max_position_embeddings": 8192, "rope_theta": 10000.0})"};
}

}  // namespace azimuth::models
