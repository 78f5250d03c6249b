"""Traps of Qwen3-VL-MoE and of layers with experts."""

from fault import Fault

FAULTS = [
    Fault("moe-not-normalised", "src/decoder/moe.cc", "if (spec.normalise_chosen) {", "if (!spec.normalise_chosen) {",
          "weights of the chosen experts are not divided by their sum"),
    Fault("moe-gate-and-up", "src/engine/load_parts.cc",
          "{{std::move(gate_up[2 * i]), {}}, {std::move(gate_up[2 * i + 1]), {}}",
          "{{std::move(gate_up[2 * i + 1]), {}}, {std::move(gate_up[2 * i]), {}}",
          "gate and up of every expert are exchanged"),
    Fault("moe-published-as-saved", "src/engine/checkpoint_reader.cc",
          "return Piece{view, rule.other_transform};", "return Piece{view, rule.transform};",
          "published experts are read without exchanging rows and columns"),
    Fault("moe-one-expert-less", "src/models/parts/experts.cc",
          "moe.chosen = static_cast<int>(chosen);", "moe.chosen = static_cast<int>(std::max<int64_t>(1, chosen - 1));",
          "a token goes through one expert less"),
    Fault("moe-dense-layers", "src/models/parts/experts.cc",
          "(layer + 1) % step == 0", "layer % step == 0",
          "decoder_sparse_step counts from the first layer", "families"),
    Fault("moe-mlp-only", "src/models/parts/experts.cc",
          "std::ranges::find(dense, layer) == dense.end()", "std::ranges::find(dense, layer + 1) == dense.end()",
          "mlp_only_layers counts from one"),
    Fault("moe-ties", "src/decoder/moe.cc",
          "probabilities[static_cast<size_t>(expert)] > probabilities[static_cast<size_t>(best)]",
          "probabilities[static_cast<size_t>(expert)] >= probabilities[static_cast<size_t>(best)]",
          "of equal scores the later expert is chosen", "decoder", traced=False),
    Fault("moe-scale-forgotten", "src/decoder/moe.cc",
          "shares[rank] *= weights.expert_scale.data()[best[rank]];", "static_cast<void>(rank);",
          "the saved scale of an expert has no effect", "decoder"),
    Fault("moe-shared-gate", "src/decoder/moe.cc",
          "const float share = 1.0f / (1.0f + std::exp(-gates[row]));", "const float share = 1.0f;",
          "the shared expert counts in full", "decoder", traced=False),
]
