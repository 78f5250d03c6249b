"""Traps of Qwen2-VL."""

from fault import Fault

FAULTS = [
    Fault("qwen2-vl-gelu", "src/models/qwen2_vl.cc", '"hidden_act", "quick_gelu"', '"hidden_act", "gelu"',
          "the tower's activation, which published configs leave out, is GELU instead of quick_gelu"),
    Fault("qwen2-vl-interleaved", "src/models/qwen2_vl.cc", '.policy = "mrope"', '.policy = "mrope_i"',
          "sections of M-RoPE are interleaved instead of contiguous"),
    Fault("qwen2-vl-tower-eps", "src/models/parts/qwen_tower.cc", "constexpr float kTowerNormEps = 1e-6f;",
          "constexpr float kTowerNormEps = 1e-5f;", "epsilon of the tower's norms times ten"),
    Fault("qwen2-vl-decodes-behind-max", "src/engine/prepare.cc",
          "for (PositionSet& set : table.sets) set.next_decode = set.next_text;", "static_cast<void>(table);",
          "compat=tf5 decodes behind the largest id instead of behind the last token"),
    Fault("qwen2-vl-rope-delta", "src/engine/trace.cc",
          "if (compat != Compat::tf5 || set.ids.empty())", "if (true)",
          "rope_delta under tf5 counts from where decoding goes on"),
    Fault("qwen2-vl-uncapped-frames", "src/preprocess/preprocess.cc",
          "spec.cap_pixels_per_frame ? shared_max_pixels(frames, spec)",
          "spec.cap_pixels_per_frame && false ? shared_max_pixels(frames, spec)",
          "cap_pixels_per_frame has no effect on budgets per frame"),
    Fault("qwen2-vl-whole-context", "src/preprocess/preprocess.cc", "static_cast<int64_t>(tokens * 0.9)",
          "static_cast<int64_t>(tokens)", "frames share all of max_video_tokens instead of 90%"),
    Fault("qwen2-vl-tied-by-text", "src/models/parts/qwen_vl.cc",
          "return tied || (flat && text.tied_head);", "return tied && !flat;",
          "tie_word_embeddings is not read"),
]
