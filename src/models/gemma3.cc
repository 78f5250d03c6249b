// Gemma 3 (arXiv 2503.19786; transformers: Gemma3TextConfig, Gemma3Config): windows with a rotary base of their own,
// norms on queries and keys, and a SigLIP tower whose patches are pooled to a few tokens that see each other.
#include <cmath>

#include "models/parts/config_keys.h"
#include "models/parts/gemma_decoder.h"
#include "models/parts/text_only.h"
#include "models/registry.h"

namespace azimuth::models {
namespace {

constexpr int kSlidingRope = 0;
constexpr int kFullRope = 1;
constexpr double kSlidingTheta = 10000.0;
constexpr double kFullTheta = 1000000.0;

// transformers 5 nests rope_parameters by layer type; 4 has rope_scaling and rope_theta of the full layers, and
// rope_local_base_freq.
Status read_ropes(const JsonView& config, int head_dim, TextSpec& text) {
  text.ropes.assign(2, RopeSpec{});
  if (config.has("rope_parameters")) {
    AZ_ASSIGN_OR_RETURN(text.ropes[kSlidingRope],
                        read_layer_rope(config, "sliding_attention", head_dim, kSlidingTheta));
    AZ_ASSIGN_OR_RETURN(text.ropes[kFullRope], read_layer_rope(config, "full_attention", head_dim, kFullTheta));
    return ok_status();
  }
  AZ_ASSIGN_OR_RETURN(text.ropes[kFullRope], read_rope(config, head_dim, kFullTheta, {}));
  text.ropes[kSlidingRope].rotary_dim = head_dim;
  AZ_ASSIGN_OR_RETURN(text.ropes[kSlidingRope].theta,
                      config.number_or("rope_local_base_freq", kSlidingTheta, 1.0, 1e12));
  return ok_status();
}

Result<TextSpec> read_text(const JsonView& config) {
  AZ_ASSIGN_OR_RETURN(const bool bidirectional, config.boolean_or("use_bidirectional_attention", false));
  if (bidirectional) {
    return unsupported(config.where() +
                       " expected a decoder that generates, found use_bidirectional_attention, which makes an encoder "
                       "of it; take a checkpoint without it");
  }
  AZ_ASSIGN_OR_RETURN(TextSpec text, read_gemma_decoder(config, {.dense = {.vocab = 262208,
                                                                           .hidden = 2304,
                                                                           .intermediate = 9216,
                                                                           .layers = 26,
                                                                           .heads = 8,
                                                                           .kv_heads = 4,
                                                                           .head_dim = 256,
                                                                           .context = 131072,
                                                                           .qk_norm = true,
                                                                           .policy = "gemma3"},
                                                                 .post_norms = true,
                                                                 .full_layer_every = 6}));
  AZ_RETURN_IF_ERROR(read_ropes(config, text.layers.front().head_dim, text));
  for (LayerSpec& layer : text.layers) layer.rope = layer.window > 0 ? kSlidingRope : kFullRope;
  return text;
}

Result<ModelSpec> read_text_model(const JsonView& config) {
  return read_text_only(config, "gemma3_text", "GemmaTokenizer");
}

}  // namespace

TextPart gemma3_text_part() {
  return {"gemma3_text", read_text, add_dense_decoder_weights};
}
Family gemma3_text() {
  return {"gemma3_text", read_text_model, "Gemma-3-1B",
          R"({"model_type": "gemma3_text", "hidden_size": 1152, "num_hidden_layers": 26, "num_attention_heads": 4,
              "num_key_value_heads": 1, "head_dim": 256, "intermediate_size": 6912, "sliding_window": 512,
              "max_position_embeddings": 32768, "rope_theta": 1000000.0, "rope_local_base_freq": 10000.0})"};
}

}  // namespace azimuth::models
