// Mistral text decoders: Llama's with one window on all layers (transformers: MistralConfig).
#include "models/parts/dense_decoder.h"
#include "models/parts/text_only.h"
#include "models/registry.h"

namespace azimuth::models {
namespace {

Result<TextSpec> read_text(const JsonView& config) {
  return read_dense_decoder(config, {.intermediate = 14336,
                                     .kv_heads = 8,
                                     .context = 4096 * 32,
                                     .reads_attention_bias = false,
                                     .window_of_all = 4096});
}

Result<ModelSpec> read_model(const JsonView& config) {
  return read_text_only(config, "mistral", "TokenizersBackend");
}

}  // namespace

TextPart mistral_text() {
  return {"mistral", read_text, add_dense_decoder_weights};
}
Family mistral() {
  return {"mistral", read_model, "Mistral-7B-v0.3",
          R"({"model_type": "mistral", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
              "num_key_value_heads": 8, "max_position_embeddings": 32768, "rope_theta": 1000000.0,
              "sliding_window": null})"};
}

}  // namespace azimuth::models
