// What a forward pass shows to taps and hands to hooks.
#pragma once

#include <span>
#include <vector>

#include "decoder/decoder.h"

namespace azimuth::decoder {

// One pass of a batch, as its hooks know it.
class PassHooks {
 public:
  // Before the first layer appends to the caches: their lengths are the indices of the first tokens.
  PassHooks(std::span<const SequenceChunk> chunks, const RunContext& context);

  // Cache lengths when the pass began.
  const std::vector<CacheIndex>& first_tokens() const { return first_tokens_; }
  // Shows rows [rows of all chunks, hidden] to the tap, then hands them to the hook that may write them.
  Status pass_rows(Stage stage, int layer, Tensor& hidden) const;
  // Hook 2b.
  Status enter_layer(int layer, Tensor& hidden) const;

 private:
  std::span<const SequenceChunk> chunks_;
  const RunContext& context_;
  std::vector<CacheIndex> first_tokens_;
};

}  // namespace azimuth::decoder
