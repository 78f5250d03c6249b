#include "models/parts/llava_model.h"

#include <nlohmann/json.hpp>

#include "models/parts/config_keys.h"
#include "models/parts/weight_names.h"

namespace azimuth::models {
namespace {

// States of the tower are numbered from its embedding (0) to its last layer's output, or from the end.
Result<int> read_state(const JsonView& place, int64_t state, int layers) {
  const int64_t index = state < 0 ? state + layers + 1 : state;
  if (index >= 0 && index <= layers) return static_cast<int>(index) - 1;  // as VisionSpec::feature_layers counts
  return place.expected("states of a tower with " + std::to_string(layers) + " layers (" + std::to_string(-layers - 1) +
                        " to " + std::to_string(layers) + ")");
}

Status read_feature_layers(const JsonView& config, const LlavaTraits& traits, VisionSpec& vision) {
  constexpr std::string_view kKey = "vision_feature_layer";
  std::vector<int64_t> states = {traits.feature_layer};
  if (config.has(kKey)) {
    AZ_ASSIGN_OR_RETURN(const JsonView value, config.at(kKey));
    if (value.value().is_array()) {
      AZ_ASSIGN_OR_RETURN(states, config.integers(kKey, -2048, 2048));
      if (states.empty()) return value.expected("at least one number");
    } else {
      AZ_ASSIGN_OR_RETURN(const int64_t state, value.as_integer(-2048, 2048));
      states = {state};
    }
  }
  for (const int64_t state : states) {
    AZ_ASSIGN_OR_RETURN(const int layer, read_state(config, state, vision.layers));
    vision.feature_layers.push_back(layer);
  }
  vision.final_norm = false;  // states are read in front of it
  return ok_status();
}

Status read_strategy(const JsonView& config, const LlavaTraits& traits, VisionSpec& vision) {
  constexpr std::string_view kKey = "vision_feature_select_strategy";
  AZ_ASSIGN_OR_RETURN(const std::string strategy, config.string_or(kKey, traits.select_strategy));
  if (strategy != "default" && strategy != "full") {
    return invalid_argument(config.where() + "." + std::string(kKey) + " expected \"default\" or \"full\", found \"" +
                            strategy.substr(0, 64) + "\"");
  }
  if (strategy == "default" && vision.class_tokens == 0) {
    return unsupported(config.where() + "." + std::string(kKey) +
                       " expected \"full\" for a tower without class token, found \"default\", which would drop the "
                       "first patch");
  }
  vision.class_features = strategy == "full" && vision.class_tokens > 0;
  return ok_status();
}

Status read_projector(const JsonView& config, const TextSpec& text, VisionSpec& vision) {
  vision.projector.kind = ProjectorKind::mlp;
  vision.projector.merge = 1;
  vision.projector.output = text.hidden;
  AZ_ASSIGN_OR_RETURN(vision.projector.activation, read_activation(config, "projector_hidden_act", "gelu"));
  return ok_status();
}

Status add_projector_weights(const JsonView& config, const VisionSpec& vision, bool has_newline, WeightMap& map) {
  AZ_ASSIGN_OR_RETURN(const bool bias, config.boolean_or("multimodal_projector_bias", true));
  const NameSet names({"model.", ""});
  const int64_t output = vision.projector.output;
  const int64_t input = vision.hidden * static_cast<int64_t>(vision.feature_layers.size());
  names.add_linear(map, "tower.projector.first", "multi_modal_projector.linear_1", output, input, bias);
  names.add_linear(map, "tower.projector.second", "multi_modal_projector.linear_2", output, output, bias);
  if (has_newline) names.add(map, "tower.newline", "image_newline", {output});
  return ok_status();
}

}  // namespace

Result<ModelSpec> read_llava_model(const JsonView& config, const LlavaTraits& traits) {
  ModelSpec spec;
  spec.prompt.image = {.expansion = PromptExpansion::per_cell, .placeholder = "<image>"};
  spec.prompt.adds_bos_to_chat = true;
  AZ_ASSIGN_OR_RETURN(const JsonView text_config, config.object("text_config"));
  AZ_ASSIGN_OR_RETURN(const std::string text_type, text_config.string_or("model_type", traits.text_type));
  AZ_ASSIGN_OR_RETURN(const TextPart* text, find_text_part(text_type));
  AZ_ASSIGN_OR_RETURN(spec.text, text->read(text_config));
  AZ_ASSIGN_OR_RETURN(const bool tied, config.boolean_or("tie_word_embeddings", false));
  spec.text.tied_head = spec.text.tied_head || tied;
  AZ_ASSIGN_OR_RETURN(const JsonView vision_config, config.object("vision_config"));
  AZ_ASSIGN_OR_RETURN(const std::string vision_type, vision_config.string_or("model_type", traits.vision_type));
  AZ_ASSIGN_OR_RETURN(const VisionPart* part, find_vision_part(vision_type));
  AZ_ASSIGN_OR_RETURN(VisionSpec vision, part->read(vision_config));
  AZ_RETURN_IF_ERROR(read_feature_layers(config, traits, vision));
  AZ_RETURN_IF_ERROR(read_strategy(config, traits, vision));
  AZ_RETURN_IF_ERROR(read_projector(config, spec.text, vision));
  // "language_model.model." and "vision_tower.vision_model." are published; transformers 5 writes the first of each.
  text->add_weights(spec.text, {"model.language_model.", "language_model.model.", "language_model."},
                    {"lm_head.weight", "language_model.lm_head.weight", "model.lm_head.weight"}, spec.weights);
  part->add_weights(
      vision,
      {"model.vision_tower.", "model.vision_tower.vision_model.", "vision_tower.vision_model.", "vision_tower."},
      spec.weights);
  AZ_RETURN_IF_ERROR(add_projector_weights(config, vision, traits.has_newline, spec.weights));
  spec.vision = std::move(vision);
  return spec;
}

}  // namespace azimuth::models
