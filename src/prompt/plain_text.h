// A question to a checkpoint without a chat template (PaliGemma, BLIP-2, decoders that were never tuned to chat).
#pragma once

#include <string_view>

#include "azimuth/status.h"
#include "prompt/build_prompt.h"
#include "spec/prompt_spec.h"

namespace azimuth::prompt {

// The text of the only message, with placeholders where its media are; media in front of the text are left to a
// processor that puts them there (PromptFrame). What the user wrote is literal. `messages`: Messages::template_json.
// unsupported where there is more than one question, which only a template can put into words.
Result<PromptText> plain_text(std::string_view messages, const PromptSpec& spec);

}  // namespace azimuth::prompt
