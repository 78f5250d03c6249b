"""What counts: the targets, the limits that the machine sets, and when a stage has met its target.

A ratio is how many times faster Azimuth is. A stage that misses its ratio has still met its target where it runs at 80%
of the limit: what it must read divided by the measured read rate, or what it must compute by the measured peak,
whichever takes longer. Rate and peak are those measured right before and right after the stage, the better of the two:
on a machine that others share they change within seconds.
"""

from dataclasses import dataclass

import models

ENOUGH_OF_THE_LIMIT = 0.8
LARGE_PICTURE = 2000  # patches
MEMORY_MARGIN = 1.15
GROWTH_MARGIN = 1.15
TEXT_TARGETS = {("decode", "q4"): 1.8, ("decode", "q8"): 1.6, ("prefill", "q8"): 2.2, ("prefill", "q4"): 1.8}
FIRST_TOKEN_SECONDS = 3.0
FIRST_TOKEN_OF = ("qwen3-vl-2b", "q4")  # model and type

# Bits per weight of what Azimuth's products read: records of 64 (q8: bytes and a bf16 scale; q4: halves of bytes, a
# bf16 scale and four multipliers of 4 bits). llama.cpp's Q8_0 and Q4_0 have 8.5 and 4.5.
BITS = {"f32": 32, "bf16": 16, "q8": 8.25, "q4": 4.5}
# In q4, the head and the decoder's first layer stay in q8.
WIDER_BITS = BITS | {"q4": BITS["q8"]}

# Kinds of arithmetic that bench/limits times, by level.
KINDS = {
    "native": {
        "generic", "avx2", "avx512", "maddwd_paddd", "maddubs_paddw", "avx512_vnni", "avx512_bf16", "amx",
    },
    "avx2": {"generic", "avx2", "maddwd_paddd", "maddubs_paddw"},
}  # fmt: skip
# Kinds that add products in 16 bits: one of 4 by 8 bits may use them, one of 8 by 8 bits may not. Rows of 7 bits may,
# which the tower's layers have, all but the first.
IN_16_BITS = {"maddubs_paddw"}


def ratio_target(stage, dtype, patches=0):
    """Times llama.cpp's speed at the same width (q8, q4) or that of transformers' faster type; None: no target."""
    if dtype in ("f32", "bf16"):
        return 1.0 if stage in ("decode", "prefill", "vision") else None
    if stage == "vision":
        return None if dtype == "q4" else 1.7 if patches > LARGE_PICTURE else 2.0
    return TEXT_TARGETS.get((stage, dtype))


# ---- limits ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Limits:
    """What bench/limits measured, in bytes and operations per second."""

    read: float
    peaks: dict  # "f32_gflops", "bf16_gflops", "int8_gops" -> {kind: rate}

    def best(self, groups, kinds):
        return max((r for g in groups for kind, r in self.peaks.get(g, {}).items() if kind in kinds), default=0.0)

    def products(self, dtype, level, narrow_rows=False):
        """The fastest arithmetic that products of a type may use: bf16 ones may widen to f32 where that is faster.

        narrow_rows: the other side has 7 bits.
        """
        groups = {"f32": ["f32_gflops"], "bf16": ["f32_gflops", "bf16_gflops"]}.get(dtype, ["int8_gops"])
        excluded = IN_16_BITS if dtype == "q8" and not narrow_rows else set()
        return self.best(groups, KINDS[level] - excluded)

    def attention(self, dtype, level):
        """Attention stays in floating point where weights are whole numbers."""
        return self.products("f32" if dtype == "f32" else "bf16", level)


def merged(reports):
    """The best of several reports of bench/limits: a limit is what the machine can do."""
    peaks = {}
    for report in reports:
        for group in ("f32_gflops", "bf16_gflops", "int8_gops"):
            for kind, rate in report.get(group, {}).items():
                known = peaks.setdefault(group, {})
                known[kind] = max(known.get(kind, 0.0), rate * 1e9)
    return Limits(max(r["read_gb_s"] for r in reports) * 1e9, peaks)


@dataclass(frozen=True)
class Work:
    """What a stage reads and computes at least."""

    bytes: float
    products: float = 0.0  # operations
    attention: float = 0.0
    narrow_rows: bool = False

    def seconds(self, limits, dtype, level):
        peak = limits.products(dtype, level, self.narrow_rows)
        if not peak or not limits.read:
            return None
        computing = self.products / peak + self.attention / limits.attention(dtype, level)
        return max(self.bytes / limits.read, computing)


def layer_bytes(model, dtype):
    """Of the matrices of all layers of the decoder."""
    weights, layers = models.split_parameters(model)["layers"], model.config["text_config"]["num_hidden_layers"]
    return (weights * (layers - 1) / layers * BITS[dtype] + weights / layers * WIDER_BITS[dtype]) / 8


def decoder_bytes(model, dtype):
    return layer_bytes(model, dtype) + models.split_parameters(model)["head"] * WIDER_BITS[dtype] / 8


def decode_work(model, dtype, cached, cache_bytes):
    """Of one token behind `cached` others. cache_bytes: per token, as `azimuth info` says."""
    parts = models.split_parameters(model)
    weights = parts["layers"] + parts["head"]
    read = decoder_bytes(model, dtype) + cached * cache_bytes
    return Work(read, 2 * weights, models.attention_operations(model, 1, cached))


def prefill_work(model, dtype, tokens):
    weights = models.split_parameters(model)["layers"]
    text = model.config["text_config"]
    # Of the last layer, the MLP is for the last token alone.
    left_out = 3 * text["hidden_size"] * text["intermediate_size"] * (tokens - 1)
    attention = models.attention_operations(model, tokens, (tokens + 1) / 2)
    return Work(layer_bytes(model, dtype), 2 * (weights * tokens - left_out), attention)


def vision_work(model, dtype, patches):
    attention = models.tower_attention_operations(model, patches)
    products = models.tower_operations(model, patches) - attention
    return Work(models.split_parameters(model)["tower"] * BITS[dtype] / 8, products, attention, narrow_rows=True)


def memory_limit_mb(model, dtype, cached, cache_bytes):
    """Weights in the type, all other tensors in f32, the cache, and the margin."""
    parts = models.split_parameters(model)
    matrices = parts["layers"] + parts["head"] + parts["tower"]
    rest = models.count(model.tensors(model.config)) - matrices
    weights = decoder_bytes(model, dtype) + parts["tower"] * BITS[dtype] / 8 + 4 * rest
    return MEMORY_MARGIN * (weights + cached * cache_bytes) / 2**20


def growth_limit(model, dtype, short, long, cache_bytes):
    """How many times longer a token may take behind `long` others than behind `short`."""
    return GROWTH_MARGIN * (
        decode_work(model, dtype, long, cache_bytes).bytes / decode_work(model, dtype, short, cache_bytes).bytes
    )


# ---- verdicts -------------------------------------------------------------------------------------------------------


def verdict(ratio, target, share):
    """One of "yes", "by the limit" (only the second rule is met), "no", and "" (nothing to meet or to compare)."""
    if target is None:
        return ""
    if ratio is not None and ratio >= target:
        return "yes"
    if share is not None and share >= ENOUGH_OF_THE_LIMIT:
        return "by the limit"
    return "" if ratio is None else "no"


def at_most(value, limit):
    if value is None or limit is None:
        return ""
    return "yes" if value <= limit else "no"
