// What a forward pass shows to taps and hands to hooks.
#pragma once

#include <span>

#include "decoder/cache_marks.h"
#include "decoder/decoder.h"

namespace azimuth::decoder {

// One pass of a batch, as its hooks know it.
class PassHooks {
 public:
  // `marks`: the caches in front of the pass, whose lengths are the indices of the first tokens.
  PassHooks(std::span<const SequenceChunk> chunks, const CacheMarks& marks, const RunContext& context)
      : chunks_(chunks), marks_(marks), context_(context) {}

  // Shows rows [rows of all chunks, hidden] to the tap, then hands them to the hook that may write them.
  Status pass_rows(Stage stage, int layer, Tensor& hidden) const;
  // Hook 2b.
  Status enter_layer(int layer, Tensor& hidden) const;

 private:
  std::span<const SequenceChunk> chunks_;
  const CacheMarks& marks_;
  const RunContext& context_;
};

}  // namespace azimuth::decoder
