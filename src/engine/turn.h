// A conversation as the cache knows it, and what of it the next request can use.
#pragma once

#include <string>
#include <vector>

#include "engine/prepare.h"
#include "engine/sequence.h"

namespace azimuth::engine {

struct Turn {
  PreparedSample sample;
  SampleFeatures features;
  Sequence sequence;
  std::vector<int32_t> ids;  // of every token in the cache: prompt, then answer
  std::string policy;        // spelling
  bool hooked = false;       // hooks may have changed what the cache holds

  // Id of token `index` on the axes of id set `set`, written to out [axes].
  void position(int64_t index, size_t set, float* out) const;
};

// For each medium, which one of the turn before has the same pixels; -1 for new ones.
struct MediaMatch {
  std::vector<int> images;
  std::vector<int> videos;
};
// `before` may be nullptr.
MediaMatch match_media(const PreparedSample& now, const Turn* before);

struct Reuse {
  int64_t tokens = 0;  // at the start of the prompt, that the cache of the turn before holds
  int64_t moved = 0;   // of these, with other ids than before; their keys are raw
};

// What `next`, whose cache is still empty, can take over from the turn before: tokens with the same ids and media, and,
// where keys are rotated, the same positions on all axes of all sets under the same policy and frequencies. At least
// one token is left to compute, because the next one is drawn from its logits, and the cut lies at a closed boundary.
Reuse find_reuse(const Turn& before, const Sequence& next, const std::string& policy, const MediaMatch& media);

}  // namespace azimuth::engine
