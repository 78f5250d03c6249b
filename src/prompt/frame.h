// What a processor makes of a prompt beside the media themselves (PromptFrame).
#pragma once

#include <cstddef>
#include <string>

#include "azimuth/status.h"
#include "prompt/build_prompt.h"

namespace azimuth::prompt {

// A prompt in two parts that are tokenised apart: what comes in front of the tokenizer's own tokens (bos), and the
// rest.
struct FramedText {
  PromptText lead;
  PromptText body;
};

// `images`: of the prompt. `bos`: of the tokenizer, or empty. Errors: more than one image where a processor knows one.
Result<FramedText> frame_text(const PromptText& text, size_t images, const PromptSpec& spec, const std::string& bos);

}  // namespace azimuth::prompt
