"""Qwen3.5-MoE: Qwen3.5 with experts, and one that every token takes."""

from transformers import Qwen3_5MoeConfig, Qwen3_5MoeForConditionalGeneration

from . import qwen3_5, qwen3_vl, qwen3_vl_moe


def more_text(draw, config):
    hybrid = qwen3_5.more_text(draw, config)
    experts = qwen3_vl_moe.more_text(draw, {**config, **hybrid})
    for key in ("decoder_sparse_step", "mlp_only_layers", "norm_topk_prob"):  # which this class does not know
        experts.pop(key, None)
    shared = draw.pick("moe.shared", [12, 20, 40])
    return {**hybrid, **experts, "shared_expert_intermediate_size": shared}


def text_tensor(name, shape, rng, scale, qk_gain):
    if ".mlp.gate." in name or ".experts." in name:
        return qwen3_vl_moe.text_tensor(name, shape, rng, scale, qk_gain)
    return qwen3_5.text_tensor(name, shape, rng, scale, qk_gain)


KIND = qwen3_vl.Kind(
    "qwen3_5_moe", Qwen3_5MoeConfig, Qwen3_5MoeForConditionalGeneration, more_text, text_tensor, qwen3_5.alike
)  # fmt: skip


def write(draw, folder):
    qwen3_vl.write_kind(draw, folder, KIND)


_VIDEO = qwen3_5.GOLDEN_CASES["qwen3_5_image_and_video"][1]
GOLDEN_CASES = {
    "qwen3_5_moe_shared_expert": (1, {
        **{name: choice for name, choice in _VIDEO.items() if ".video." not in name}, "sample0.turn0.media": "one",
        "moe.experts": 5, "moe.chosen": 2, "moe.intermediate": 20, "moe.shared": 12,
    }),
}  # fmt: skip
