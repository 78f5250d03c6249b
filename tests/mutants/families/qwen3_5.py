"""Qwen3.5's traps."""

from fault import Fault

LINEAR = "src/decoder/linear_attention.cc"
DELTA = "src/kernels/x86/wide_delta.h"

FAULTS = [
    Fault("delta-norm-forgotten", LINEAR, "unit(mixed + keys + key_head * spec_.key_dim, spec_.key_dim, 1.0f, key);",
          "std::copy_n(mixed + keys + key_head * spec_.key_dim, spec_.key_dim, key);",
          "keys of linear attention keep their length"),
    Fault("delta-query-unscaled", LINEAR, "unit(mixed + key_head * spec_.key_dim, spec_.key_dim, scale, query);",
          "unit(mixed + key_head * spec_.key_dim, spec_.key_dim, 1.0f + 0.0f * scale, query);",
          "queries of linear attention are not divided by the root of the head"),
    Fault("delta-not-subtracted", DELTA, "Vec::mul(Vec::sub(load(value), recalled), Vec::all(write))",
          "Vec::mul(load(value), Vec::all(write))",
          "what the memory holds under a key is not taken off the value"),
    Fault("delta-fades-late", DELTA, "recalled = Vec::fma(faded, Vec::all(key[k]), recalled);",
          "recalled = Vec::fma(Vec::div(faded, fades), Vec::all(key[k]), recalled);",
          "the memory fades behind the look-up instead of before it"),
    Fault("delta-heads-strided", LINEAR, "head / (spec_.value_heads / spec_.key_heads)", "head % spec_.key_heads",
          "value heads take key heads in turn instead of neighbours sharing one"),
    Fault("gated-norm-plus-one", LINEAR, "x[v] = weight.data()[v] * (x[v] * factor)", "x[v] = (1.0f + weight.data()[v]) * (x[v] * factor)",
          "the gated norm acts as 1 + w, as the others do"),
    Fault("gate-before-norm", LINEAR, "for (int v = 0; v < spec.value_dim; ++v) squares += x[v] * x[v];",
          "for (int v = 0; v < spec.value_dim; ++v) x[v] *= gate[v] * sigmoid(gate[v]), squares += x[v] * x[v];",
          "the gate is also multiplied in front of the norm"),
    Fault("convolution-shifted", LINEAR, "input_row(token - before + tap)", "input_row(std::max<int64_t>(token - before + tap - 1, -before))",
          "the convolution sees the inputs one token late"),
    Fault("convolution-forgets", LINEAR, "    keep_inputs(linear, work.mixed.row(row), count, state->inputs);\n", "",
          "decoding starts its convolution from nothing"),
    Fault("gates-side-by-side", "src/decoder/attention_layer.cc", "work.gated.data() + (2 * head + 1) * spec.head_dim",
          "work.gated.data() + (head < spec.heads ? spec.heads + head : 2 * head + 1) * spec.head_dim",
          "gates are taken from behind all queries instead of beside each"),
    Fault("whole-head-turns", "src/models/parts/dense_decoder.cc", "const int rotary_dim = static_cast<int>(head_dim * share);",
          "const int rotary_dim = share < 1.0 ? head_dim : static_cast<int>(head_dim * share);",
          "partial_rotary_factor is not read"),
    Fault("interval-off-by-one", "src/models/parts/hybrid_decoder.cc", "(i + 1) % static_cast<size_t>(interval) != 0",
          "i % static_cast<size_t>(interval) != 0", "every n-th layer attends, counted from the wrong one", "families", traced=False),
    Fault("recurrent-state-kept", "src/decoder/cache.cc", "return !layer.recurrent || layer.recurrent->length == length;",
          "return !layer.recurrent || layer.recurrent->length >= length;",
          "a cache with linear attention claims to forget single tokens", "invariants", traced=False),
]  # fmt: skip
