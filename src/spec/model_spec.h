// A model as data: decoder x tower x projector, how its prompts are written, and where its weights are.
#pragma once

#include <optional>
#include <string>

#include "spec/prompt_spec.h"
#include "spec/text_spec.h"
#include "spec/vision_spec.h"
#include "spec/weight_map.h"

namespace azimuth {

struct ModelSpec {
  std::string model_type;
  TextSpec text;
  std::optional<VisionSpec> vision;
  PromptSpec prompt;
  WeightMap weights;
  // The tokenizer class that transformers registers for the family, where the checkpoint's files name none.
  std::string tokenizer_class;
  bool tokenizer_class_wins = false;  // also where they name another one
  // Tokens that the family's processor adds to the tokenizer, where its files do not list them as added.
  std::vector<std::string> added_tokens;
};

}  // namespace azimuth
