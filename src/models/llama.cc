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
  return {"llama", read_model};
}

}  // namespace azimuth::models
