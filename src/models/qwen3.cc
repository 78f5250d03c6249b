// Qwen3 text decoders: queries and keys are normalised per head (transformers: Qwen3Config).
#include "models/parts/dense_decoder.h"
#include "models/parts/text_only.h"
#include "models/registry.h"

namespace azimuth::models {
namespace {

Result<TextSpec> read_text(const JsonView& config) {
  return read_dense_decoder(config, {.vocab = 151936,
                                     .intermediate = 22016,
                                     .kv_heads = 32,
                                     .head_dim = 128,
                                     .context = 32768,
                                     .qk_norm = true,
                                     .sliding_window = true});
}

Result<ModelSpec> read_model(const JsonView& config) {
  return read_text_only(config, "qwen3", "Qwen2Tokenizer");
}

}  // namespace

TextPart qwen3_text() {
  return {"qwen3", read_text, add_dense_decoder_weights};
}
Family qwen3() {
  return {"qwen3", read_model, "Qwen3-8B",
          R"({"model_type": "qwen3", "hidden_size": 4096, "num_hidden_layers": 36, "num_attention_heads": 32,
              "num_key_value_heads": 8, "head_dim": 128, "max_position_embeddings": 40960, "rope_theta": 1000000.0})"};
}

}  // namespace azimuth::models
