// Which position policy a request runs with, and how it acts in the decoder.
#pragma once

#include <memory>
#include <string>

#include "azimuth/engine.h"
#include "decoder/position_encoding.h"
#include "positions/policy.h"
#include "spec/text_spec.h"

namespace azimuth::engine {

struct PolicyChoice {
  positions::PolicyInstance policy;
  std::shared_ptr<const decoder::PositionEncoding> encoding;
};

// `name`: a policy with its parameters, or "" for the checkpoint's own. `length`: largest id of the sequence, plus 1,
// for scalings that depend on it. Enough to lay prompts out, not to run them: what a policy adds is not there.
Result<PolicyChoice> choose_policy(const TextSpec& text, const std::string& name, int64_t length = 0);

// The same for a model that is going to run: with the weights that the policy needs.
Result<PolicyChoice> choose_policy(const Engine::Impl& model, const std::string& name, int64_t length = 0);

// True where the checkpoint's frequencies change as a sequence grows (dynamic NTK, LongRoPE).
bool depends_on_length(const TextSpec& text);

}  // namespace azimuth::engine
