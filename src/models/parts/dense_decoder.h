// The decoder that Llama, Qwen2, Qwen3 and their vision-language kin share, as data: pre-norm, grouped-query attention,
// gated MLP. A family differs in the traits below.
#pragma once

#include <string>
#include <vector>

#include "azimuth/status.h"
#include "base/json.h"
#include "spec/text_spec.h"
#include "spec/weight_map.h"

namespace azimuth::models {

// What a config class decides by itself, and its defaults for keys that a config leaves out.
struct DenseTraits {
  int64_t vocab = 32000;
  int64_t hidden = 4096;
  int64_t intermediate = 11008;
  int64_t layers = 32;
  int64_t heads = 32;
  int64_t kv_heads = 0;  // 0: as many as heads
  int64_t head_dim = 0;  // 0: hidden / heads
  int64_t context = 2048;
  double theta = 10000.0;
  double norm_eps = 1e-6;
  double rotary_share = 1.0;  // default of partial_rotary_factor; 1: the class does not read it
  bool qk_norm = false;
  bool qkv_bias = false;  // always; otherwise attention_bias decides for q, k, v and the output
  bool reads_attention_bias = true;
  bool reads_mlp_bias = false;
  bool sliding_window = false;  // the class knows use_sliding_window, max_window_layers, layer_types
  int64_t full_layers = 28;     // max_window_layers
  int64_t window_of_all = 0;    // sliding_window of all layers where a config is silent (null: none); 0: no such key
  std::string policy = "vanilla";
  std::vector<int> section = {};  // default mrope_section
};

Result<TextSpec> read_dense_decoder(const JsonView& config, const DenseTraits& traits);

// Slots decoder.* of `text`. Each tensor is looked for behind each of `prefixes` ("model.") in turn, the head under
// each of `heads`.
void add_dense_decoder_weights(const TextSpec& text, const std::vector<std::string>& prefixes,
                               const std::vector<std::string>& heads, WeightMap& map);

}  // namespace azimuth::models
