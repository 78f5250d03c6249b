// Qwen2.5-VL (arXiv 2502.13923; transformers: Qwen2_5_VLConfig): a tower whose layers attend within windows, but for
// the listed ones, and Qwen2-VL's decoder with time ids in seconds.
#include <algorithm>

#include "models/parts/config_keys.h"
#include "models/parts/qwen_tower.h"
#include "models/parts/qwen_vl.h"
#include "models/registry.h"

namespace azimuth::models {
namespace {

// Source: get_vision_window_index in transformers' vision_utils.py.
Status read_windows(const JsonView& config, VisionSpec& vision) {
  AZ_ASSIGN_OR_RETURN(const int64_t pixels, config.integer_or("window_size", 112, 1, int64_t{1} << 20));
  vision.window = static_cast<int>(pixels) / vision.projector.merge / vision.patch;
  std::vector<int64_t> full = {7, 15, 23, 31};
  if (config.has("fullatt_block_indexes")) {
    AZ_ASSIGN_OR_RETURN(full, config.integers("fullatt_block_indexes", 0, 1024));
  }
  for (int layer = 0; layer < vision.layers; ++layer) {
    if (std::ranges::find(full, layer) == full.end()) vision.windowed_layers.push_back(layer);
  }
  if (vision.window > 0) return ok_status();
  return invalid_argument(config.where() + " expected a window_size of at least one merged cell of " +
                          std::to_string(vision.patch * vision.projector.merge) + " pixels, found " +
                          std::to_string(pixels));
}

Result<VisionSpec> read_vision(const JsonView& config) {
  AZ_ASSIGN_OR_RETURN(
      VisionSpec vision,
      read_qwen_tower(config, {.hidden = "hidden_size", .default_hidden = 3584, .output = "out_hidden_size"}));
  AZ_ASSIGN_OR_RETURN(const int64_t inner, config.integer_or("intermediate_size", 3420, 1, int64_t{1} << 20));
  vision.intermediate = static_cast<int>(inner);
  vision.norm = NormKind::rms;
  vision.gated_mlp = true;
  AZ_ASSIGN_OR_RETURN(vision.activation, read_activation(config, "hidden_act", "silu"));
  AZ_RETURN_IF_ERROR(read_windows(config, vision));
  return vision;
}

Result<ModelSpec> read_model(const JsonView& config) {
  AZ_ASSIGN_OR_RETURN(ModelSpec spec,
                      read_qwen_vl(config, {.text = "qwen2_5_vl_text",
                                            .tower = "qwen2_5_vl_vision",
                                            .output = "out_hidden_size",
                                            .flat = true,
                                            .video = PromptExpansion::per_cell,
                                            .text_prefixes = {"model.language_model.", "model.", "language_model."}}));
  AZ_ASSIGN_OR_RETURN(const JsonView vision, config.object("vision_config"));
  AZ_ASSIGN_OR_RETURN(const int64_t rate, vision.integer_or("tokens_per_second", 4, 0, 1 << 20));
  spec.text.policy = "mrope25:tokens_per_second=" + std::to_string(rate);
  return spec;
}

}  // namespace

TextPart qwen2_5_vl_text() {
  return {"qwen2_5_vl_text", qwen2_vl_text().read, qwen2_vl_text().add_weights};
}
VisionPart qwen2_5_vl_vision() {
  return {"qwen2_5_vl_vision", read_vision, add_qwen_tower_weights};
}
Family qwen2_5_vl() {
  return {"qwen2_5_vl", read_model, "Qwen2.5-VL-7B",
          R"({"model_type": "qwen2_5_vl", "hidden_size": 3584, "num_hidden_layers": 28, "num_attention_heads": 28,
              "num_key_value_heads": 4, "max_position_embeddings": 128000, "rope_theta": 1000000.0,
              "rope_scaling": {"type": "mrope", "mrope_section": [16, 24, 24]},
              "vision_config": {"hidden_size": 1280, "out_hidden_size": 3584, "tokens_per_second": 2}})"};
}

}  // namespace azimuth::models
