// A decoder and a tower that a config names as text_config and vision_config, each read by its registered part.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "models/families.h"

namespace azimuth::models {

struct JoinedDefaults {
  std::string_view text;    // model_type of the decoder where text_config names none
  std::string_view vision;  // of the tower where vision_config names none
  bool tied_head = true;    // where the config does not say
};

struct JoinedModel {
  ModelSpec spec;
  const TextPart* text = nullptr;
  const VisionPart* vision = nullptr;
};

// Text and vision of the spec; a projector that the config of the whole describes is the family's to read.
Result<JoinedModel> read_joined_model(const JsonView& config, const JoinedDefaults& defaults);

// Weights of both parts under the names that transformers 4 and 5 give them.
void add_joined_weights(JoinedModel& model);

}  // namespace azimuth::models
