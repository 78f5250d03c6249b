"""Traps of Gemma 1, 2 and 3: how their decoders differ from the Llama line."""

from fault import Fault

FAULTS = [
    Fault("gemma-embedding-unscaled", "src/models/parts/gemma_decoder.cc",
          "text.embedding_scale = static_cast<float>(std::sqrt(static_cast<double>(text.hidden)));", "",
          "embeddings are not scaled by sqrt(hidden)"),
    Fault("gemma-norms-without-one", "src/models/parts/gemma_decoder.cc",
          "text.norm_plus_one = true;", "", "norm weights act as w instead of 1 + w"),
    Fault("gemma-gelu-is-erf", "src/models/parts/gemma_decoder.cc",
          "return first && activation == Activation::gelu_erf ? Activation::gelu_tanh : activation;",
          "return activation;", "Gemma 1's \"gelu\" is taken by its name"),
    Fault("gemma-pattern-off-by-one", "src/models/parts/gemma_decoder.cc",
          "(static_cast<int64_t>(i) + 1) % every == 0", "static_cast<int64_t>(i) % every == 0",
          "the first layer of a pattern sees everything instead of the last"),
    Fault("gemma-scale-of-head", "src/models/parts/gemma_decoder.cc",
          "layer.attention_scale = static_cast<float>(1.0 / std::sqrt(scalar));", "",
          "query_pre_attn_scalar is not read"),
    Fault("gemma-null-cap-is-default", "src/models/parts/gemma_decoder.cc",
          "if (found != config.value().end() && found->is_null()) return 0.0f;", "",
          "a soft cap of null counts as absent"),
    Fault("gemma3-reads-attention-cap", "src/models/parts/gemma_decoder.cc",
          "if (traits.reads_attention_soft_cap) {", "if (true) {",
          "Gemma 3 caps its scores, which no release does"),
    Fault("gemma3-one-base", "src/models/gemma3.cc",
          "layer.rope = layer.window > 0 ? kSlidingRope : kFullRope;", "layer.rope = kFullRope;",
          "sliding layers turn with the base of the full ones"),
    Fault("gemma3-scaling-on-windows", "src/models/gemma3.cc",
          "text.ropes.assign(2, RopeSpec{});", "text.ropes.resize(2);",
          "rope_scaling stretches the sliding layers as well"),
]  # fmt: skip
