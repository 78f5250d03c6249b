"""OPT's traps."""

from fault import Fault

DECODER = "src/decoder/decoder.cc"

FAULTS = [
    Fault("opt-offset", "src/models/opt.cc", "constexpr int64_t kPositionOffset = 2;", "constexpr int64_t kPositionOffset = 1;",
          "positions start at row 1 of the table instead of row 2"),
    Fault("opt-norms-in-front", "src/models/opt.cc", "layer.norms_behind = !norm_before;", "layer.norms_behind = false;",
          "do_layer_norm_before is not read"),
    Fault("opt-eps", "src/models/opt.cc", "constexpr float kNormEps = 1e-5f;", "constexpr float kNormEps = 1e-6f;",
          "epsilon of OPT's norms is another class's"),
    Fault("opt-final-norm", "src/models/opt.cc", "layer.norms_behind || no_final_norm ? NormKind::none : layer.norm",
          "layer.norms_behind ? NormKind::none : layer.norm", "_remove_final_layer_norm is not read"),
    Fault("opt-activation", "src/models/opt.cc", 'read_activation(config, "activation_function", "relu")',
          'read_activation(config, "hidden_act", "relu")', "the activation is looked for under another key"),
    Fault("opt-norm-bias", DECODER, "weight.data(), bias.data(), eps, out.data()", "weight.data(), weight.data(), eps, out.data()",
          "layer norms add their weight instead of their bias"),
    Fault("opt-second-norm-behind", DECODER, "norm_into(hidden);\n}\n\n// Whether nobody reads", "return;\n}\n\n// Whether nobody reads",
          "nothing is normalised behind the MLP"),
]  # fmt: skip
