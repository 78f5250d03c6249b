// Idefics3 (arXiv 2408.12637; transformers: Idefics3Config): an Idefics tower, pixel shuffle and Llama.
#include "models/parts/idefics.h"
#include "models/parts/vit_tower.h"
#include "models/registry.h"

namespace azimuth::models {
namespace {

Result<VisionSpec> read_vision(const JsonView& config) {
  return read_idefics_tower(config, 1152, 16);
}

}  // namespace

VisionPart idefics3_vision() {
  return {"idefics3_vision", read_vision, add_vit_tower_weights};
}
Family idefics3() {
  return {"idefics3", read_pixel_shuffle_model, "Idefics3-8B-Llama3",
          R"({"model_type": "idefics3",
              "text_config": {"model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32,
                              "num_attention_heads": 32, "num_key_value_heads": 8, "max_position_embeddings": 131072,
                              "rope_theta": 500000.0,
                              "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
                                               "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}},
              "vision_config": {"model_type": "idefics3_vision", "num_hidden_layers": 27, "intermediate_size": 4304,
                                "image_size": 364, "patch_size": 14}})"};
}

}  // namespace azimuth::models
