// What the decoders of Gemma 1, 2 and 3 have beside the Llama line: norms that act as 1 + w, embeddings scaled by
// sqrt(hidden), and from Gemma 2 on windows, norms behind attention and MLP, soft caps and a scale of their own.
#pragma once

#include "azimuth/status.h"
#include "base/json.h"
#include "models/parts/dense_decoder.h"
#include "spec/text_spec.h"

namespace azimuth::models {

// What a config class decides by itself, and its defaults for keys that a config leaves out.
struct GemmaTraits {
  DenseTraits dense;
  bool post_norms = false;          // and query_pre_attn_scalar, sliding_window, layer_types
  int full_layer_every = 0;         // a layer without window after so many, where layer_types are silent
  double logit_soft_cap = 0.0;      // final_logit_softcapping; 0: none
  double attention_soft_cap = 0.0;  // attn_logit_softcapping; 0: none
  bool reads_attention_soft_cap = false;
};

Result<TextSpec> read_gemma_decoder(const JsonView& config, const GemmaTraits& traits);

}  // namespace azimuth::models
