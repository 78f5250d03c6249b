#include "models/parts/text_only.h"

namespace azimuth::models {

Result<ModelSpec> read_text_only(const JsonView& config, std::string_view model_type,
                                 std::string_view tokenizer_class) {
  AZ_ASSIGN_OR_RETURN(const TextPart* part, find_text_part(model_type));
  ModelSpec spec;
  spec.tokenizer_class = tokenizer_class;
  AZ_ASSIGN_OR_RETURN(spec.text, part->read(config));
  part->add_weights(spec.text, {"model.", "", "model.language_model.", "language_model.model."},
                    {"lm_head.weight", "language_model.lm_head.weight"}, spec.weights);
  return spec;
}

}  // namespace azimuth::models
