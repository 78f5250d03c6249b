// The decoder of a model.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "spec/layer_spec.h"
#include "spec/rope_spec.h"

namespace azimuth {

struct TextSpec {
  int64_t vocab = 0;
  int hidden = 0;
  std::vector<LayerSpec> layers;
  std::vector<RopeSpec> ropes;  // one per layer type; LayerSpec::rope chooses
  float embedding_scale = 1.0f;
  float final_norm_eps = 1e-6f;
  NormKind final_norm = NormKind::rms;
  bool norm_plus_one = false;      // every RMSNorm weight w of the decoder acts as 1 + w
  float logit_soft_cap = 0.0f;     // 0: none
  bool tied_head = false;          // the output head is the embedding matrix
  int64_t per_layer_vocab = 0;     // rows of the table of per-layer embeddings (Gemma 4); 0: none
  int64_t learned_positions = 0;   // rows of the checkpoint's own table of position embeddings (OPT); 0: none
  int64_t extra_embeddings = 0;    // rows of the embedding beyond the head's, of tokens that are never written (mllama)
  std::vector<int32_t> media_ids;  // ids of placeholders that every table is asked for as `pad_id` (Gemma 4)
  int32_t pad_id = 0;
  int input_width = 0;  // of embedding and head, where a projection leads to `hidden` and back (OPT); 0: none
  // Tokens that take rows of another table (decoder.media_tokens) in prompts with images (Ovis2's indicators).
  std::vector<int64_t> media_token_ids = {};
  int64_t context_length = 0;      // positions that the checkpoint was made for
  std::string policy = "vanilla";  // the checkpoint's own position policy

  // The row of an embedding table that stands for token `id`.
  int32_t table_row(int32_t id) const {
    return std::find(media_ids.begin(), media_ids.end(), id) == media_ids.end() ? id : pad_id;
  }
};

}  // namespace azimuth
