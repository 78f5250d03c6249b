// Llama 2 and 3 text decoders (transformers: LlamaConfig).
#include "models/parts/dense_decoder.h"
#include "models/parts/text_only.h"
#include "models/registry.h"

namespace azimuth::models {
namespace {

Result<TextSpec> read_text(const JsonView& config) {
  return read_dense_decoder(config, {.intermediate = 11008, .context = 2048, .reads_mlp_bias = true});
}

Result<ModelSpec> read_model(const JsonView& config) {
  return read_text_only(config, "llama", "LlamaTokenizer");
}

}  // namespace

TextPart llama_text() {
  return {"llama", read_text, add_dense_decoder_weights};
}
Family llama() {
  return {"llama", read_model, "Llama-3.1-8B",
          R"({"model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
              "num_key_value_heads": 8, "max_position_embeddings": 131072, "rope_theta": 500000.0,
              "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                               "original_max_position_embeddings": 8192}})"};
}

}  // namespace azimuth::models
