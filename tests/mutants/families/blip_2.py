"""BLIP-2's traps."""

from fault import Fault

Q_FORMER = "src/vision/projectors/q_former.cc"

FAULTS = [
    Fault("queries-behind-bos", "src/prompt/frame.cc", "return FramedText{{placeholder, {}, false}, text};",
          "return FramedText{{}, {placeholder + text.text, text.literal, text.from_template}};",
          "the image's tokens stand behind bos instead of in front of it"),
    Fault("cross-forgotten", Q_FORMER, "if (layer.cross) run_attention(spec, *layer.cross, hidden, queries, pool);", "",
          "the Q-Former's queries never see the tower"),
    Fault("queries-not-normed", Q_FORMER, "normalise(weights.norm, spec.norm_eps, weights.queries, queries, pool);",
          "queries = weights.queries.clone();", "the learned queries enter the Q-Former without their norm"),
    Fault("q-former-eps", "src/models/blip_2.cc", 'former.number_or("layer_norm_eps", 1e-12, 0.0, 1.0)',
          'former.number_or("norm_eps", 1e-12, 0.0, 1.0)', "the Q-Former's epsilon is not read"),
    Fault("q-former-norm-first", Q_FORMER, "kernels::add(hidden.data(), update.data(), hidden.elements(), pool); normalise(norm, spec.norm_eps, hidden, hidden, pool);",
          "normalise(norm, spec.norm_eps, hidden, hidden, pool); kernels::add(hidden.data(), update.data(), hidden.elements(), pool);",
          "the Q-Former normalises in front of the residual"),
    Fault("class-token-hidden", "src/models/blip_2.cc", "vision.class_features = true;", "vision.class_features = false;",
          "the Q-Former does not see the class token"),
    Fault("no-post-layernorm", "src/models/blip_2.cc", "vision.final_norm = true;", "vision.final_norm = false;",
          "the tower's last norm is left out"),
    Fault("special-tokens-asked", "src/prompt/build_prompt.cc", "return options.add_special_tokens.value_or(true);", "return true;",
          "add_special_tokens of a call is not heard"),
]  # fmt: skip
