// LLaVA-NeXT (LLaVA 1.6; transformers: LlavaNextConfig): the whole picture and tiles of the best of listed sizes.
#include "models/parts/llava_model.h"
#include "models/registry.h"

namespace azimuth::models {
namespace {

Result<ModelSpec> read_model(const JsonView& config) {
  AZ_ASSIGN_OR_RETURN(ModelSpec spec, read_llava_model(config, {.has_newline = true}));
  if (spec.vision->class_features) {
    return unsupported(
        config.where() +
        ".vision_feature_select_strategy expected \"default\", found \"full\"; the class tokens of tiles "
        "have no place between their rows");
  }
  spec.vision->arrangement = FeatureArrangement::unpadded_rows;
  spec.tokenizer_class = "TokenizersBackend";  // whatever the files name
  spec.tokenizer_class_wins = true;
  return spec;
}

}  // namespace

Family llava_next() {
  return {"llava_next", read_model, "LLaVA-NeXT-Mistral-7B",
          R"({"model_type": "llava_next",
              "text_config": {"model_type": "mistral", "vocab_size": 32064, "max_position_embeddings": 32768,
                              "rope_theta": 1000000.0, "sliding_window": null},
              "vision_config": {"model_type": "clip_vision_model", "hidden_size": 1024, "image_size": 336,
                                "intermediate_size": 4096, "num_attention_heads": 16, "num_hidden_layers": 24,
                                "patch_size": 14}})"};
}

}  // namespace azimuth::models
