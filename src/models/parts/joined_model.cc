#include "models/parts/joined_model.h"

namespace azimuth::models {

Result<JoinedModel> read_joined_model(const JsonView& config, const JoinedDefaults& defaults) {
  JoinedModel model;
  ModelSpec& spec = model.spec;
  AZ_ASSIGN_OR_RETURN(const JsonView text_config, config.object("text_config"));
  AZ_ASSIGN_OR_RETURN(const std::string text_type, text_config.string_or("model_type", defaults.text));
  AZ_ASSIGN_OR_RETURN(model.text, find_text_part(text_type));
  AZ_ASSIGN_OR_RETURN(spec.text, model.text->read(text_config));
  AZ_ASSIGN_OR_RETURN(spec.text.tied_head, config.boolean_or("tie_word_embeddings", defaults.tied_head));
  AZ_ASSIGN_OR_RETURN(const JsonView vision_config, config.object("vision_config"));
  AZ_ASSIGN_OR_RETURN(const std::string vision_type, vision_config.string_or("model_type", defaults.vision));
  AZ_ASSIGN_OR_RETURN(model.vision, find_vision_part(vision_type));
  AZ_ASSIGN_OR_RETURN(spec.vision, model.vision->read(vision_config));
  return model;
}

void add_joined_weights(JoinedModel& model) {
  model.text->add_weights(model.spec.text, {"model.language_model.", "language_model.model.", "language_model."},
                          {"lm_head.weight", "language_model.lm_head.weight"}, model.spec.weights);
  model.vision->add_weights(*model.spec.vision, {"model.vision_tower.", "vision_tower."}, model.spec.weights);
}

}  // namespace azimuth::models
