// A conversation as the cache knows it, and what of it the next request can use.
#pragma once

#include <string>
#include <vector>

#include "engine/media_key.h"
#include "engine/prefix_key.h"
#include "engine/sequence.h"
#include "engine/shared_features.h"

namespace azimuth::engine {

struct Turn {
  MediaKeys media;  // empty where hooked
  SharedFeatures features;
  Sequence sequence;
  std::vector<int32_t> ids;  // of every token in the cache: prompt, then answer
  std::string policy;        // spelling
  Compat compat = Compat::azimuth;
  bool hooked = false;      // hooks may have changed what the cache holds
  PrefixChain prefix = {};  // of the prompt
  bool exact = true;        // the cache holds what computing its tokens again would give
};

struct Reuse {
  int64_t tokens = 0;  // at the start of the prompt, that the cache of the turn before holds
  int64_t moved = 0;   // of these, with other ids than before; their keys are raw
  bool exact = true;   // they have the ids and the frequencies that they were computed under
};

// What `next`, whose cache is still empty, can take over from the turn before, which was not hooked: tokens with the
// same ids and media, and, where keys are rotated, the same positions on all axes of all sets under the same policy and
// frequencies. At least one token is left to compute, because the next one is drawn from its logits, and the cut lies
// at a closed boundary.
Reuse find_reuse(const Turn& before, const Sequence& next, const std::string& policy, const MediaKeys& media);

}  // namespace azimuth::engine
