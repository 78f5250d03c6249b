// From a prepared prompt to a sequence that can be prefilled: its frequencies, and how its cache keeps keys.
#pragma once

#include <string>

#include "engine/model.h"
#include "engine/prepare.h"
#include "engine/sequence.h"

namespace azimuth::engine {

// How a request wants its sequence run; Request::positions, keys and frequencies.
struct SequenceOptions {
  std::string policy;
  decoder::KeyStorage keys = decoder::KeyStorage::rotated;
  FrequencyMode frequencies = FrequencyMode::rerotate;
};

// Errors: words that are none of those that Request names.
Result<SequenceOptions> sequence_options(const Request& request);

// A sequence with an empty cache. `length`: of the longest sequence of a batch that runs as transformers does; a
// sequence that re-rotates looks at itself alone.
Result<Sequence> start_sequence(const Engine::Impl& model, const SequenceOptions& options, const PreparedSample& sample,
                                decoder::DecoderInput input, int64_t length = 0);

}  // namespace azimuth::engine
