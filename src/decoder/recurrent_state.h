// What a linear-attention layer remembers of a sequence: the same amount however long it is.
#pragma once

#include <cstdint>
#include <vector>

#include "spec/layer_spec.h"

namespace azimuth::decoder {

// Constant while a cache holds it, but no object is made constant: its memory may serve again (CacheMarks).
struct RecurrentState {
  int64_t length = 0;         // tokens that went in
  std::vector<float> inputs;  // [kernel - 1, channels]: what the convolution still sees, oldest first
  std::vector<float> memory;  // [value_heads, key_dim, value_dim]

  static RecurrentState empty(const LinearAttentionSpec& spec);
};

// Channels of the convolution: queries, keys, values.
inline int64_t convolved_channels(const LinearAttentionSpec& spec) {
  return 2 * int64_t{spec.key_heads} * spec.key_dim + int64_t{spec.value_heads} * spec.value_dim;
}

inline RecurrentState RecurrentState::empty(const LinearAttentionSpec& spec) {
  RecurrentState state;
  state.inputs.assign(static_cast<size_t>((spec.kernel - 1) * convolved_channels(spec)), 0.0f);
  state.memory.assign(static_cast<size_t>(int64_t{spec.value_heads} * spec.key_dim * spec.value_dim), 0.0f);
  return state;
}

}  // namespace azimuth::decoder
