// How positions act in the decoder: what a sequence runs with, beside its ids.
#pragma once

#include <memory>
#include <vector>

#include "positions/embedding/added_embedding.h"
#include "positions/rotary_cache.h"

namespace azimuth::decoder {

class ScoreTerm;

struct PositionEncoding {
  // One per TextSpec::ropes: its frequency plan and the cosines and sines that were computed with it. A plan without
  // pairs rotates nothing.
  std::vector<std::shared_ptr<positions::RotaryCache>> ropes;
  // Added to the hidden states in front of the first layer, by the ids of set 0; or nullptr.
  std::shared_ptr<const positions::AddedEmbedding> embedding;
  // Changes the attention scores of every layer; or nullptr.
  std::shared_ptr<const ScoreTerm> score_term;
  // False where one of the two is missing, because it was chosen without a model's weights: nothing to run then.
  bool complete = true;

  const FrequencyPlan& plan(int rope) const { return ropes[static_cast<size_t>(rope)]->plan(); }
};

}  // namespace azimuth::decoder
