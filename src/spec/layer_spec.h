// One decoder layer as numbers and closed enums; the decoder loop reads these and nothing else.
#pragma once

#include <cstdint>
#include <optional>

#include "spec/activation.h"

namespace azimuth {

// How the tokens of a layer learn of each other. One file of decoder/ per kind.
enum class MixerKind : uint8_t {
  attention,         // over the tokens before, and those of the same closed region
  cross_attention,   // over features that stay outside of the sequence; tanh gates on it and on the MLP (mllama)
  linear_attention,  // gated delta rule behind a causal convolution (Qwen3.5)
};

enum class MlpKind : uint8_t {
  gated,  // down(act(gate(x)) * up(x))
  plain,  // down(act(up(x)))
};

// A sparse MLP: each token goes through a few of many gated MLPs.
struct MoeSpec {
  int experts = 0;
  int chosen = 0;                // experts per token
  int intermediate = 0;          // of each expert
  bool normalise_chosen = true;  // weights of the chosen experts sum to one
  int shared_intermediate = 0;   // of an expert that every token takes, weighted by a sigmoid gate; 0: none
  bool beside_mlp = false;       // added to the layer's dense MLP instead of replacing it (Gemma 4)
};

// Sizes of gated delta-rule attention.
struct LinearAttentionSpec {
  int key_heads = 0;
  int value_heads = 0;
  int key_dim = 0;    // of each head
  int value_dim = 0;  // of each head
  int kernel = 0;     // tokens that the convolution sees
};

struct LayerSpec {
  MixerKind mixer = MixerKind::attention;
  std::optional<LinearAttentionSpec> linear = {};  // where the mixer is linear_attention

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
  bool qk_norm = false;          // RMSNorm over head_dim on queries and keys, before rotation
  int rope = 0;                  // index into TextSpec::ropes; -1: no rotation
  bool value_norm = false;       // RMSNorm without weight over head_dim on values
  bool keys_are_values = false;  // values are the key projection before its norm and rotation (Gemma 4)
  bool query_gate = false;       // the query projection carries a sigmoid gate of the output, per head [query | gate]
  int kv_source = -1;            // earlier layer whose keys and values this one reads; -1: its own
  bool bidirectional = false;    // tokens of one closed region of the prompt see each other in both directions
  bool regions_beyond_window = false;  // and the window does not count among them (PaliGemma 2)

  // Norms
  NormKind norm = NormKind::rms;
  float norm_eps = 1e-6f;
  bool post_norms = false;    // a norm after attention and after the MLP as well, before the residual is added
  bool norms_behind = false;  // each half's norm acts on the sum behind it instead of in front of it (OPT-350m)

  // MLP
  MlpKind mlp = MlpKind::gated;
  int intermediate = 0;
  Activation activation = Activation::silu;
  bool mlp_bias = false;
  std::optional<MoeSpec> experts = {};

  int per_layer_width = 0;  // width of the layer's own embedding of each token, added behind the MLP (Gemma 4); 0: none
  bool output_scalar = false;  // the layer's output is multiplied by a saved number (Gemma 4)
};

}  // namespace azimuth
