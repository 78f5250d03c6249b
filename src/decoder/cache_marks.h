// The caches of a forward pass as they were in front of it: the way back after a failure.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "decoder/decoder.h"

namespace azimuth::decoder {

class CacheMarks {
 public:
  // In front of a pass. Marks that are kept from pass to pass keep their memory, and that of states that are gone.
  void take(std::span<const SequenceChunk> chunks);
  // After a failure, with the same chunks.
  Status go_back(std::span<const SequenceChunk> chunks) const;

  // Tokens in the cache of a chunk.
  CacheIndex length(size_t chunk) const { return marks_[chunk].length; }
  // A copy of `state` for a layer to move on, in the memory of the state before it where nobody else holds that.
  std::shared_ptr<RecurrentState> copy_state(size_t chunk, int layer, const RecurrentState& state);

 private:
  struct Mark {
    CacheIndex length = 0;
    std::vector<std::shared_ptr<const RecurrentState>> states;  // [layers]
  };

  std::vector<Mark> marks_;
  std::vector<Mark> before_;  // of the pass before
};

}  // namespace azimuth::decoder
