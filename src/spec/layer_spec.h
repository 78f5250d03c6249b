// One decoder layer as numbers and closed enums; the decoder loop reads these and nothing else.
#pragma once

#include <cstdint>

#include "spec/activation.h"

namespace azimuth {

enum class MlpKind : uint8_t {
  gated,  // down(act(gate(x)) * up(x))
  plain,  // down(act(up(x)))
};

struct LayerSpec {
  // Attention
  int heads = 0;
  int kv_heads = 0;
  int head_dim = 0;                 // of queries and keys
  int value_dim = 0;                // of values
  float attention_scale = 0.0f;     // multiplies q.k
  float attention_soft_cap = 0.0f;  // 0: none
  int64_t window = 0;               // keys that a query sees, itself included; 0: all
  bool qkv_bias = false;
  bool output_bias = false;
  bool qk_norm = false;  // RMSNorm over head_dim on queries and keys, before rotation
  int rope = 0;          // index into TextSpec::ropes; -1: no rotation

  // Norms (RMS)
  float norm_eps = 1e-6f;
  bool post_norms = false;  // a norm after attention and after the MLP as well, before the residual is added

  // MLP
  MlpKind mlp = MlpKind::gated;
  int intermediate = 0;
  Activation activation = Activation::silu;
  bool mlp_bias = false;
};

}  // namespace azimuth
