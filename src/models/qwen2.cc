// Qwen2 and Qwen2.5 text decoders: biased queries, keys and values (transformers: Qwen2Config).
#include "models/parts/dense_decoder.h"
#include "models/parts/text_only.h"
#include "models/registry.h"

namespace azimuth::models {
namespace {

Result<TextSpec> read_text(const JsonView& config) {
  return read_dense_decoder(config, {.vocab = 151936,
                                     .intermediate = 22016,
                                     .kv_heads = 32,
                                     .context = 32768,
                                     .qkv_bias = true,
                                     .reads_attention_bias = false,
                                     .sliding_window = true});
}

Result<ModelSpec> read_model(const JsonView& config) {
  AZ_ASSIGN_OR_RETURN(ModelSpec spec, read_text_only(config, "qwen2", "Qwen2Tokenizer"));
  spec.tokenizer_class_wins = true;  // transformers distrusts the class named by files of this model_type
  return spec;
}

}  // namespace

TextPart qwen2_text() {
  return {"qwen2", read_text, add_dense_decoder_weights};
}
Family qwen2() {
  return {"qwen2", read_model, "Qwen2.5-7B",
          R"({"model_type": "qwen2", "hidden_size": 3584, "num_hidden_layers": 28, "num_attention_heads": 28,
              "num_key_value_heads": 4, "max_position_embeddings": 131072, "rope_theta": 1000000.0})"};
}

}  // namespace azimuth::models
