// Position encodings that are added to the hidden states once, in front of the first layer.
#pragma once

#include <cstdint>

#include "azimuth/status.h"

namespace azimuth::positions {

class AddedEmbedding {
 public:
  virtual ~AddedEmbedding() = default;

  // Adds the vectors of tokens with ids ids[0], ids[stride], ... to rows [tokens, width], where width is the
  // embedding's own. A failure leaves the rows as they are.
  virtual Status add(const float* ids, int64_t stride, int64_t tokens, float* rows) const = 0;
};

}  // namespace azimuth::positions
