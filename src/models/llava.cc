// LLaVA 1.5 (arXiv 2310.03744) and LLaVA-Interleave (transformers: LlavaConfig): one square picture, one token per
// patch.
#include "models/parts/llava_model.h"
#include "models/registry.h"

namespace azimuth::models {
namespace {

Result<ModelSpec> read_model(const JsonView& config) {
  AZ_ASSIGN_OR_RETURN(ModelSpec spec, read_llava_model(config, {}));
  spec.tokenizer_class = "TokenizersBackend";  // whatever the files name
  spec.tokenizer_class_wins = true;
  return spec;
}

}  // namespace

Family llava() {
  return {"llava", read_model, "LLaVA-1.5-7B",
          R"({"model_type": "llava",
              "text_config": {"model_type": "llama", "vocab_size": 32064, "max_position_embeddings": 4096},
              "vision_config": {"model_type": "clip_vision_model", "hidden_size": 1024, "image_size": 336,
                                "intermediate_size": 4096, "num_attention_heads": 16, "num_hidden_layers": 24,
                                "patch_size": 14}})"};
}

}  // namespace azimuth::models
