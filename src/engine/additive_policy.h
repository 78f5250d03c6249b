// From a policy that adds something, its parameters and the checkpoint's tensors to the parts that the decoder runs.
#pragma once

#include <memory>

#include "base/thread_pool.h"
#include "decoder/score_term.h"
#include "engine/position_weights.h"
#include "positions/embedding/added_embedding.h"
#include "positions/policy.h"
#include "spec/text_spec.h"

namespace azimuth::engine {

struct AdditiveParts {
  std::shared_ptr<const positions::AddedEmbedding> embedding;
  std::shared_ptr<const decoder::ScoreTerm> score_term;
};

// Both empty for a rotary policy. Errors: tensors of another shape than the policy and the decoder need, parameters
// that contradict each other, a decoder whose layers the encoding cannot share.
Result<AdditiveParts> make_additive_parts(const positions::PolicyInstance& policy, const TextSpec& text,
                                          const PositionWeights& weights, ThreadPool& pool);

}  // namespace azimuth::engine
