#include "models/parts/idefics.h"

#include "models/parts/vit_tower.h"
#include "models/parts/weight_names.h"

namespace azimuth::models {

Result<VisionSpec> read_idefics_tower(const JsonView& config, int64_t hidden, int64_t heads) {
  AZ_ASSIGN_OR_RETURN(VisionSpec vision, read_vit_tower(config, {.hidden = hidden, .heads = heads, .patch = 32}));
  vision.resample = GridResample::fraction_buckets;
  vision.tf4_resample = GridResample::shrunk_fraction_buckets;
  return vision;
}

Status read_idefics_parts(const JsonView& config, std::string_view fallback, std::string_view tower, ModelSpec& spec) {
  AZ_ASSIGN_OR_RETURN(const JsonView text_config, config.object("text_config"));
  AZ_ASSIGN_OR_RETURN(const std::string text_type, text_config.string_or("model_type", fallback));
  AZ_ASSIGN_OR_RETURN(const TextPart* text, find_text_part(text_type));
  AZ_ASSIGN_OR_RETURN(spec.text, text->read(text_config));
  AZ_ASSIGN_OR_RETURN(spec.text.tied_head, config.boolean_or("tie_word_embeddings", false));
  // Published configs name other towers there, or the whole model; there is only this one.
  AZ_ASSIGN_OR_RETURN(const VisionPart* vision, find_vision_part(tower));
  AZ_ASSIGN_OR_RETURN(const JsonView vision_config, config.object("vision_config"));
  AZ_ASSIGN_OR_RETURN(spec.vision, vision->read(vision_config));
  text->add_weights(spec.text, {"model.text_model.", "text_model."}, {"lm_head.weight"}, spec.weights);
  vision->add_weights(*spec.vision, {"model.vision_model.", "vision_model."}, spec.weights);
  spec.prompt.adds_bos_to_chat = true;
  return ok_status();
}

std::vector<std::string> idefics_connector() {
  return {"model.connector.", "connector."};
}

Result<ModelSpec> read_pixel_shuffle_model(const JsonView& config) {
  ModelSpec spec;
  AZ_RETURN_IF_ERROR(read_idefics_parts(config, "llama", "idefics3_vision", spec));
  AZ_ASSIGN_OR_RETURN(const int64_t merge, config.integer_or("scale_factor", 2, 1, 64));
  VisionSpec& vision = *spec.vision;
  vision.order = PatchOrder::merge_blocks;
  vision.projector = {
      .kind = ProjectorKind::pixel_shuffle_linear, .merge = static_cast<int>(merge), .output = spec.text.hidden};
  NameSet(idefics_connector())
      .add_linear(spec.weights, "tower.projector.first", "modality_projection.proj", spec.text.hidden,
                  vision.hidden * merge * merge, false);
  spec.prompt.image = {.expansion = PromptExpansion::split_tiles,
                       .placeholder = std::string(kIdeficsImage),
                       .start = std::string(kIdeficsMarker),
                       .end = std::string(kIdeficsMarker)};
  return spec;
}

}  // namespace azimuth::models
