// How positions act in the decoder: what a sequence runs with, beside its ids.
#pragma once

#include <memory>
#include <vector>

#include "positions/rotary_cache.h"

namespace azimuth::decoder {

struct PositionEncoding {
  // One per TextSpec::ropes: its frequency plan and the cosines and sines that were computed with it. A plan without
  // pairs rotates nothing.
  std::vector<std::shared_ptr<positions::RotaryCache>> ropes;

  const FrequencyPlan& plan(int rope) const { return ropes[static_cast<size_t>(rope)]->plan(); }
};

}  // namespace azimuth::decoder
