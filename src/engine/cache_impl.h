// A caller's cache from the inside: everything that the next call needs to go on behind it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "azimuth/cache.h"
#include "engine/model.h"
#include "engine/sequence.h"
#include "engine/start_sequence.h"

namespace azimuth {

namespace engine {

// The inputs of all tokens, kept where frequencies follow the length: when they change, the sequence is computed again.
struct InputHistory {
  std::vector<float> rows;  // [tokens, hidden]
  std::vector<decoder::LayerStream> streams;
};

// What a cache holds of its sequence. Copies share blocks of keys and values.
struct CachedSequence {
  SequenceOptions options;
  std::string policy;  // spelling
  Compat compat = Compat::azimuth;
  Prompt prompt;            // ids, spans, closed regions
  PositionTable positions;  // of all tokens
  // Positions were not the policy's own: those of further tokens follow from where these ended.
  bool own_positions = false;
  std::shared_ptr<const decoder::PositionEncoding> encoding;
  int64_t length = 0;  // that the encoding is for
  decoder::CacheState state;
  std::vector<kernels::KeyRange> outside;       // [tokens]: features outside of the sequence that each sees; or empty
  int64_t first_outside = 0;                    // token of the first of their pictures
  std::shared_ptr<const InputHistory> history;  // or nullptr

  int64_t tokens() const { return static_cast<int64_t>(prompt.ids.size()); }
};

// Streams of the tokens before `tokens`.
std::vector<decoder::LayerStream> streams_before(const std::vector<decoder::LayerStream>& streams, int64_t tokens);

}  // namespace engine

struct Cache::Impl {
  const Engine::Impl& model;
  std::optional<engine::CachedSequence> sequence;  // nothing while empty
};

}  // namespace azimuth
