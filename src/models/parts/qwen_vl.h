// How the Qwen vision-language models are put together: the parts that their configs name, one tower per family, media
// between <|vision_start|> and <|vision_end|>.
#pragma once

#include <string_view>
#include <vector>

#include "models/families.h"

namespace azimuth::models {

struct QwenVlFamily {
  std::string_view text;    // model_type of the text part where text_config names none
  std::string_view tower;   // some published configs give the tower the model_type of the whole; there is only this one
  std::string_view output;  // key of the tower's output width
  bool flat = false;        // the config may hold the decoder's keys itself (Qwen2-VL and Qwen2.5-VL as published)
  PromptExpansion video = PromptExpansion::timestamped_frames;
  // Of weight names, in the order of the search.
  std::vector<std::string> text_prefixes = {"model.language_model.", "language_model.model.", "language_model.",
                                            "model."};
  std::string_view tokenizer = "Qwen2Tokenizer";
};

Result<ModelSpec> read_qwen_vl(const JsonView& config, const QwenVlFamily& family);

}  // namespace azimuth::models
