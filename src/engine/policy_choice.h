// Which position policy a request runs with, and how it acts in the decoder.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
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

// The same for a model that is going to run: with the weights that the policy needs. Requests with the same policy, and
// the same length where that matters, share one encoding, so that each cosine is computed once.
Result<PolicyChoice> choose_policy(const Engine::Impl& model, const std::string& name, int64_t length = 0);

// True where the checkpoint's frequencies change as a sequence grows (dynamic NTK, LongRoPE).
bool depends_on_length(const TextSpec& text);

// A length that gives the same frequencies as `length`, and is the same for all lengths that do.
int64_t effective_length(const TextSpec& text, int64_t length);

// True where both encodings turn by the same frequencies.
bool same_frequencies(const decoder::PositionEncoding& a, const decoder::PositionEncoding& b);

// The encodings that an engine used last. Safe to share by threads.
class RecentChoices {
 public:
  // As many as a batch of differently long sequences needs at a time; each holds at most RotaryCache::kMaxBytes per
  // layer type.
  static constexpr size_t kMost = 8;

  // The choice under `key`, or an empty one (without encoding).
  PolicyChoice find(const std::string& key) const;
  void keep(const std::string& key, const PolicyChoice& choice) const;

 private:
  mutable std::mutex mutex_;
  mutable std::deque<std::pair<std::string, PolicyChoice>> choices_;  // most recently used first
};

}  // namespace azimuth::engine
