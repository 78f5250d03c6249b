// Completions behind prompts that were read: several of them in each pass of the decoder.
#pragma once

#include <span>
#include <string>

#include "score/head.h"
#include "score/prompts.h"

namespace azimuth::scoring {

// One completion, with a place for its numbers: logprobs, entropies and top have their sizes already.
struct CompletionTask {
  SharedPrompt prompt;
  SampleScore* score = nullptr;
  const std::string* name = nullptr;  // of the sample
};

// Scores `tasks`. Each completion goes on in a copy of its prompt's cache, which lives while its tokens are in a pass;
// there are at most so many at a time as `cache_bytes` has room for, and at least one.
Status score_completions(const Engine::Impl& model, std::span<CompletionTask> tasks, int64_t cache_bytes, Head& head,
                         const RunContext& context);

}  // namespace azimuth::scoring
