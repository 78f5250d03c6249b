// Prompts in the cache: what several completions go on behind.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "engine/sequence.h"
#include "engine/shared_features.h"
#include "score/outline.h"

namespace azimuth::scoring {

// A prompt that was read. Never written once it is: completions go on in copies of its cache.
struct ReadPrompt {
  // Cache, positions and encoding; what entered the decoder is gone.
  engine::Sequence sequence;
  Tensor last;                // [1, hidden], of the last token
  int64_t media = 0;          // pictures and videos
  int64_t cached_tokens = 0;  // that the engine knew
  int64_t cached_media = 0;
};
using SharedPrompt = std::shared_ptr<const ReadPrompt>;

// A prompt to read, with the request that it is of.
struct PromptTask {
  const Request* request = nullptr;
  size_t sample = 0;  // index of the first sample that has it, for errors
  std::string name;   // of that sample
  ReadyPrompt ready;  // its pixels are let go as soon as they are seen
};

// Encodes the pictures of `tasks` and reads the prompts, in passes that they share. Prompts that begin like one before
// them wait for it and take that start from the engine's cache. `context`: with the hooks of a task that is alone.
// Errors: with the name of the sample where the failure is one sample's.
Result<std::vector<SharedPrompt>> read_prompts(const Engine::Impl& model, std::vector<PromptTask> tasks,
                                               const RunContext& context);

// Bytes per token of keys and values, and of states that have one size however long the sequence is.
struct CacheSizes {
  int64_t token = 0;
  int64_t fixed = 0;
};
CacheSizes cache_sizes(const Engine::Impl& model);

// An estimate of what the prompt takes while it is read.
int64_t prompt_bytes(const Engine::Impl& model, const Outline& outline);

}  // namespace azimuth::scoring
