// A sample that has been checked: everything about it that is known before the model runs.
#pragma once

#include <optional>
#include <vector>

#include "azimuth/score.h"
#include "base/content_hash.h"
#include "engine/media_key.h"
#include "engine/policy_choice.h"
#include "engine/prepare.h"
#include "engine/start_sequence.h"

namespace azimuth::scoring {

// A prompt with its media cut into patches, and how it is to be run.
struct ReadyPrompt {
  engine::PreparedSample sample;
  engine::PolicyChoice policy;  // with the frequencies of prompt and completion together
  engine::SequenceOptions options;
  engine::MediaKeys keys;  // empty where hooks may change states
};

struct Outline {
  std::vector<int32_t> completion;
  ContentHash key;     // of the prompt: samples with the same one share it
  bool alone = false;  // hooks see or change what is computed
  int64_t prompt_tokens = 0;
  int64_t media_tokens = 0;  // of these
  int64_t pixel_bytes = 0;
  std::optional<ReadyPrompt> ready;  // as long as memory allows

  // Rows of the decoder that the completion needs: what is said behind its last token does not matter.
  int64_t completion_rows() const { return completion.empty() ? 0 : static_cast<int64_t>(completion.size()) - 1; }
};

// Errors, without the sample's name: the request's, no or two completions, ids that the head has no row for, a prompt
// and completion that do not fit into the context (both numbers).
Result<Outline> outline_sample(const Engine::Impl& model, const ScoreSample& sample);

// The prompt again, after its pixels had been let go.
Result<ReadyPrompt> ready_prompt(const Engine::Impl& model, const Request& request, int64_t completion_tokens);

// The ids of completion tokens [first, first + count): text that goes on behind the prompt.
PositionTable completion_positions(const PositionTable& prompt, int64_t first, int64_t count);

}  // namespace azimuth::scoring
